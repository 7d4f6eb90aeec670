import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { errorCodes } from '../../../src/base/errors/codes.js'

interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

interface Machine {
  readonly isRoot: boolean
  readonly nodeVersion: string
  readonly kernelRelease: string
  findProgram(name: string): string | undefined
  exists(path: string): boolean
  read(path: string): string
  run(argv: readonly string[]): Outcome
}

const setup = (file: string) => new URL(`../../../setup/${file}`, import.meta.url).href
const { prepare } = (await import(setup('prepare.mjs'))) as { prepare: (level: string, command: string, machine: Machine) => void }
const { examine } = (await import(setup('doctor.mjs'))) as { examine: (machine: Machine) => { id: string; state: string; mend: string }[] }

const fine: Outcome = { status: 0, stdout: '', stderr: '' }

/** A machine that has everything; `ran` is what was run on it. */
function machine(changes: Partial<Machine> = {}): Machine & { readonly ran: string[] } {
  const ran: string[] = []
  const { run = () => fine, ...rest } = changes
  return {
    isRoot: true,
    nodeVersion: '20.11.0',
    kernelRelease: '6.1.0',
    findProgram: name => `/usr/bin/${name}`,
    exists: () => true,
    read: () => 'none /sys/fs/cgroup cgroup2 rw 0 0\n',
    ran,
    run: argv => {
      ran.push(argv.join(' '))
      return run(argv)
    },
    ...rest,
  }
}

const without =
  (...names: readonly string[]) =>
  (name: string) =>
    names.includes(name) ? undefined : `/usr/bin/${name}`

// What is about to be installed is said on stderr.
t.capture(console, 'error', () => {})

t.test('each thing that stops set-up is one message with the exact command', async t => {
  const cannotResolve: Outcome = { status: 100, stdout: '', stderr: "W: noise\nE: Failed to fetch x  Could not resolve 'deb.debian.org'" }
  const cases = {
    'not root': { machine: machine({ isRoot: false }), code: 'NOT_PERMITTED', hint: 'sudo ./podwire up' },
    'no apt, and something to install': {
      machine: machine({ findProgram: without('apt-get', 'crun') }),
      code: 'COMMAND_MISSING',
      hint: /Debian 12/,
    },
    'old Node': { machine: machine({ nodeVersion: '20.10.9' }), code: 'COMMAND_MISSING', hint: /Node\.js 20\.11/ },
    'no npm': { machine: machine({ findProgram: without('npm') }), code: 'COMMAND_MISSING', hint: /npm/ },
    'no network': {
      machine: machine({ findProgram: without('tcpdump'), run: () => cannotResolve }),
      code: 'SETUP_FAILED',
      hint: /network access, then run: apt-get update$/,
    },
    'a package that apt refuses': {
      machine: machine({
        findProgram: without('crun', 'tcpdump'),
        run: argv => (argv[1] === 'install' ? { status: 100, stdout: '', stderr: 'E: held broken packages' } : fine),
      }),
      code: 'SETUP_FAILED',
      hint: 'run it by hand to see everything: apt-get install -y --no-install-recommends crun tcpdump',
    },
  }
  for (const [name, { machine, code, hint }] of Object.entries(cases)) {
    t.throws(() => prepare('lab', './podwire up', machine), { code, hint }, name)
    t.ok(code in errorCodes, `${code} is a code of podwire`)
  }
})

t.test('packages: all that are missing at once, no questions, no recommendations; nothing when none is missing', async t => {
  const stop: Outcome = { status: 1, stdout: '', stderr: '' }
  const some = machine({ findProgram: without('crun', 'conntrack'), run: argv => (argv[1] === 'install' ? stop : fine) })
  t.throws(() => prepare('lab', './podwire up', some))
  t.strictSame(some.ran, ['apt-get update', 'apt-get install -y --no-install-recommends crun conntrack'])
})

t.test('someone who is not root may build, and is told which packages root must install', async t => {
  const user = machine({ isRoot: false, findProgram: without('cc') })
  t.throws(() => prepare('build', './podwire status', user), {
    code: 'NOT_PERMITTED',
    hint: 'sudo apt-get install -y --no-install-recommends gcc',
  })
  t.strictSame(user.ran, [])
})

t.test('doctor: a kernel feature is present, missing, or unknown to those who cannot try', async t => {
  const state = (machine: Machine) => examine(machine).find(({ id }) => id === 'vxlan')
  t.match(state(machine()), { state: 'present' })
  t.match(state(machine({ run: () => ({ status: 2, stdout: '', stderr: 'Error: Unknown device type.' }) })), {
    state: 'missing',
    found: 'Error: Unknown device type.',
    mend: 'modprobe vxlan',
  })
  t.match(state(machine({ run: () => ({ status: 127, stdout: '', stderr: 'sh: ip: not found' }) })), { state: 'unknown' })
  const user = machine({ isRoot: false })
  t.match(state(user), { state: 'unknown' })
  t.strictSame(user.ran, [], 'and nothing is run')
})

t.test('the launcher refuses an absent or old Node.js before it runs anything with it', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-launch-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  for (const tool of ['sh', 'readlink', 'dirname'])
    symlinkSync(spawnSync('which', [tool], { encoding: 'utf8' }).stdout.trim(), join(dir, tool))
  const launcher = join(process.cwd(), 'podwire')
  const launch = () => spawnSync(launcher, ['up'], { env: { PATH: dir }, encoding: 'utf8' })
  t.match(launch(), { status: 3, stderr: /^COMMAND_MISSING Node\.js is not installed.*\nhint: .*\n$/ })
  for (const version of ['v18.19.0', 'v20.10.0', 'v4.0.0']) {
    writeFileSync(join(dir, 'node'), `#!/bin/sh\n[ "$1" = --version ] && echo ${version} && exit\necho ran >&2\n`)
    chmodSync(join(dir, 'node'), 0o755)
    t.match(launch(), { status: 3, stderr: new RegExp(`^COMMAND_MISSING .*node is ${version}; .*\\nhint: .*\\n$`) })
  }
  for (const version of ['v20.11.0', 'v22.0.0']) {
    writeFileSync(join(dir, 'node'), `#!/bin/sh\n[ "$1" = --version ] && echo ${version} && exit\necho "$@"\n`)
    t.match(launch(), { status: 0, stdout: /\/setup\/launch\.mjs up\n$/ })
  }
})
