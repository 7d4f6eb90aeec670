import { execFile, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

/** A kubectl of this machine. */
export interface Kubectl {
  readonly file: string
  /** As `1.33`. */
  readonly version: string
}

export interface KubectlAnswer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Debian 12 has 1.20. */
const oldest = 20

/** Every kubectl that PATH leads to, as `kubectl` or `kubectl.1.NN`, one a minor version; PODWIRE_KUBECTL names one more. */
export async function findKubectls(): Promise<Kubectl[]> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== '')
  const direct = folders.flatMap(folder => namesIn(folder).map(name => join(folder, name)))
  // A link in PATH may lead to a folder that holds the other versions.
  const beside = [...new Set(direct.map(file => dirname(realpathSync(file))))]
  const files = [...direct, ...beside.flatMap(folder => namesIn(folder).map(name => join(folder, name)))]
  const named = process.env.PODWIRE_KUBECTL
  const found = new Map<string, Kubectl>()
  for (const file of [...(named ? [named] : []), ...files].filter(isExecutable)) {
    const { stdout } = await runFile(file, ['version', '--client', '-o', 'json'])
    const [, version = '', minor = ''] = /"gitVersion": "v(1\.(\d+))/.exec(stdout) ?? []
    if (Number(minor) >= oldest && !found.has(version)) found.set(version, { file, version })
  }
  return [...found.values()].sort((a, b) => a.version.localeCompare(b.version))
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter(name => /^kubectl(\.1\.\d+)?$/.test(name))
  } catch {
    return []
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

interface Surroundings {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A kubectl bound to one cluster, with a cache of its own. */
export interface BoundKubectl {
  run(args: readonly string[], input?: string, surroundings?: Surroundings): Promise<KubectlAnswer>
  /** Starts a command that goes on; `lines` yields what it prints. */
  start(args: readonly string[]): { readonly lines: AsyncIterableIterator<string>; stop(): void }
  dispose(): void
}

export function bindKubectl({ file }: Kubectl, kubeconfig: string): BoundKubectl {
  const cache = mkdtempSync(join(tmpdir(), 'podwire-kubectl-'))
  const common = ['--kubeconfig', kubeconfig, '--cache-dir', cache]
  return {
    run: (args, input, surroundings) => runFile(file, [...common, ...args], input, surroundings),
    start(args) {
      const child = spawn(file, [...common, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
      return { lines: linesOf(child.stdout), stop: () => child.kill() }
    },
    dispose: () => rmSync(cache, { recursive: true, force: true }),
  }
}

async function* linesOf(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

function runFile(file: string, args: readonly string[], input?: string, { cwd, env }: Surroundings = {}): Promise<KubectlAnswer> {
  return new Promise(resolve => {
    const child = execFile(file, args, { maxBuffer: 64 * 1024 * 1024, cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr })
    })
    child.stdin?.end(input ?? '')
  })
}
