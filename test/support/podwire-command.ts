import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import type { Test } from 'tap'

/** How a program ended and what it wrote. */
export interface Ended {
  /** 128 + signal number when a signal ended it, as a shell says it. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves when the program has written `text` on stderr; rejects when it ended before. */
  said(text: string): Promise<void>
}

/** A user's place: a folder of their own with a kubeconfig in it, and a lab of a random name that is taken down at the end. */
export interface Workplace {
  readonly dir: string
  readonly lab: string
  /** Runs `./podwire` with `--name` of the lab, unless the arguments hold one. */
  podwire(...argv: readonly string[]): Promise<Ended>
  startPodwire(...argv: readonly string[]): Running
  kubectl(...argv: readonly string[]): Promise<Ended>
}

export function workplace(t: Test, kubectlPath = 'kubectl'): Workplace {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-lab-'))
  const lab = `t${randomBytes(4).toString('hex')}`
  const env = { ...process.env, KUBECONFIG: join(dir, 'kubeconfig'), HOME: dir }
  const named = (argv: readonly string[]) => (argv.includes('--name') ? argv : withName(argv, lab))
  const startPodwire = (...argv: readonly string[]) => start(['./podwire', ...named(argv)], env)
  const podwire = (...argv: readonly string[]) => startPodwire(...argv).ended
  t.teardown(async () => {
    const { status, stderr } = await podwire('down')
    rmSync(dir, { recursive: true })
    if (status !== 0) throw new Error(`down failed: ${stderr}`)
  })
  return { dir, lab, podwire, startPodwire, kubectl: (...argv) => start([kubectlPath, ...argv], env).ended }
}

/** Before `--`, which ends the options. */
function withName(argv: readonly string[], lab: string): readonly string[] {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length
  return [...argv.slice(0, end), '--name', lab, ...argv.slice(end)]
}

function start(argv: readonly string[], env: NodeJS.ProcessEnv): Running {
  const child = spawn(argv[0]!, argv.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const text = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', data => {
    text.stdout += data
  })
  child.stderr.setEncoding('utf8').on('data', data => {
    text.stderr += data
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ ...text, status: code ?? (signal === 'SIGKILL' ? 137 : 128) }))
  })
  const said = (wanted: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => text.stderr.includes(wanted) && resolve()
      child.stderr.on('data', look)
      look()
      void ended.then(({ status, stderr }) => reject(new Error(`ended with ${status} before it said "${wanted}": ${stderr}`)))
    })
  return { process: child, ended, said }
}

/** The kubectls of this machine: the one on the PATH, and the oldest and newest of those that stand beside it with a version in their name. */
export function kubectls(): readonly string[] {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map(dir => join(dir, 'kubectl'))
    .find(isThere)
  if (found === undefined) return []
  const dir = dirname(realpathSync(found))
  const minor = (name: string) => Number(/^kubectl\.1\.(\d+)$/.exec(name)?.[1] ?? 0)
  const versions = readdirSync(dir)
    .filter(name => minor(name) >= 27)
    .sort((a, b) => minor(a) - minor(b))
  return [...new Set([found, ...versions.slice(0, 1), ...versions.slice(-1)].map(name => (name.includes('/') ? name : join(dir, name))))]
}

function isThere(path: string): boolean {
  try {
    realpathSync(path)
    return true
  } catch {
    return false
  }
}
