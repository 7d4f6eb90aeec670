import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import t from 'tap'

import { plainCommand, runCommand } from '../../../src/kernel/command.js'
import type { RunOptions } from '../../../src/kernel/host.js'
import { localMachine } from '../../../src/kernel/local-machine.js'
import { isRunning, listProcesses } from '../../../src/kernel/proc.js'
import { until } from '../../support/until.js'

const run = (argv: readonly string[], options?: RunOptions) => runCommand(plainCommand(argv), options)
const shell = (script: string) => ['sh', '-c', script]

t.test('both streams and the status come back as they were', async t => {
  t.strictSame(await run(shell('echo out; echo err >&2')), { stdout: 'out\n', stderr: 'err\n', exitCode: 0 })
  t.strictSame(await run(shell('exit 7'), { allowFailure: true }), { stdout: '', stderr: '', exitCode: 7 })
  t.strictSame(await run(shell('kill -9 $$'), { allowFailure: true }), { stdout: '', stderr: '', exitCode: 137 })
})

t.test('input and environment reach the program; without input it reads an empty one', async t => {
  t.match(await run(['cat'], { input: 'abc' }), { stdout: 'abc' })
  t.match(await run(['cat']), { stdout: '' })
  t.match(await run(shell('echo "$WORD in $HOME"'), { env: { WORD: 'word' } }), { stdout: `word in ${process.env.HOME}\n` })
})

t.test('arguments are never shell text', async t => {
  t.match(await run(['echo', '$HOME; id', '*']), { stdout: '$HOME; id *\n' })
})

const failures = {
  'a program that is not there': {
    argv: ['no-such-program'],
    want: { code: 'COMMAND_MISSING', message: 'no-such-program is not installed' },
  },
  'a program that fails, in its own words': {
    argv: shell('echo because >&2; exit 3'),
    want: { code: 'COMMAND_FAILED', message: "sh -c 'echo because >&2; exit 3' ended with status 3: because" },
  },
  'a program that fails without words': { argv: ['false'], want: { code: 'COMMAND_FAILED', message: 'false ended with status 1' } },
  'a program that takes too long': {
    argv: ['sleep', '60'],
    options: { timeoutMs: 20 },
    want: { code: 'TIMED_OUT', message: 'sleep 60 did not end within 20 ms' },
  },
  'a program that is stopped': {
    argv: ['sleep', '60'],
    options: { signal: AbortSignal.timeout(20) },
    want: { code: 'ABORTED', message: 'sleep 60 was stopped' },
  },
  'a program that is not to be started any more': {
    argv: ['true'],
    options: { signal: AbortSignal.abort() },
    want: { code: 'ABORTED', message: 'true was stopped' },
  },
} satisfies Record<string, { argv: readonly string[]; options?: RunOptions; want: object }>

for (const [name, { argv, want, ...rest }] of Object.entries(failures)) {
  t.test(name, async t => t.rejects(run(argv, 'options' in rest ? rest.options : {}), want))
}

t.test('a started process speaks through its streams', async t => {
  const cat = localMachine.start(['cat'])
  cat.stdin!.end('hello')
  t.equal(await text(cat.stdout!), 'hello')
  t.equal(await cat.ended, 0)
})

t.test('a started process that is missing ends with status 127', async t => {
  const process = localMachine.start(['no-such-program'])
  t.match(await text(process.stderr!), /no-such-program: No such file/)
  t.equal(await process.ended, 127)
})

t.test('output goes to the log file, after what was there', async t => {
  const logFile = `${t.testdir({ log: 'before\n' })}/log`
  const started = localMachine.start(shell('echo out; echo err >&2'), { logFile })
  t.strictSame([started.stdout, started.stderr], [undefined, undefined])
  await started.ended
  t.equal(readFileSync(logFile, 'utf8'), 'before\nout\nerr\n')
})

/** A shell that ignores SIGTERM. */
async function startStubborn(folder: string, detached: boolean) {
  const script = `trap '' TERM; echo $$ > ${folder}/pid; while :; do sleep 0.01; done`
  const started = localMachine.start(shell(script), { detached })
  return { started, process: find(await untilWritten(`${folder}/pid`))! }
}

const find = (pid: number) => listProcesses().find(process => process.pid === pid)

for (const detached of [false, true]) {
  t.test(`stop kills what will not end${detached ? ', detached too' : ''}`, async t => {
    const { started, process } = await startStubborn(t.testdir(), detached)
    t.ok(isRunning(process))
    await started.stop(50)
    t.equal(isRunning(process), false)
    await started.stop()
  })
}

t.test('a process ends when its signal aborts', async t => {
  const abort = new AbortController()
  const sleeper = localMachine.start(['sleep', '600'], { signal: abort.signal })
  abort.abort()
  t.equal(await sleeper.ended, 143)
  t.throws(() => localMachine.start(['true'], { signal: abort.signal }), { code: 'ABORTED' })
})

for (const detached of [false, true]) {
  t.test(`when the starter is killed, its process ${detached ? 'goes on if it is detached' : 'ends'}`, async t => {
    const folder = t.testdir()
    const module = new URL('../../../src/kernel/local-machine.ts', import.meta.url).href
    const program = `
      const { localMachine } = await import(${JSON.stringify(module)})
      localMachine.start(['sh', '-c', 'echo $$ > ${folder}/pid; exec sleep 600'], { detached: ${detached} })
      setInterval(() => {}, 1000)`
    const starter = localMachine.start([process.execPath, '--import=tsx', '--input-type=module', '--eval', program])
    const pid = await untilWritten(`${folder}/pid`)
    await until('the program to run', () => find(pid)?.argv[0] === 'sleep')
    const sleeper = find(pid)!
    // Its only child is the starter itself: the wrapper's end by SIGKILL must reach it too.
    process.kill(starter.pid, 'SIGKILL')
    await starter.ended
    if (detached) {
      t.ok(isRunning(sleeper))
      process.kill(pid, 'SIGKILL')
    }
    await until('the program to end', () => !isRunning(sleeper))
    t.pass('nothing is left')
  })
}

async function untilWritten(file: string): Promise<number> {
  let pid = Number.NaN
  await until(`${file} to hold a PID`, () => {
    try {
      pid = Number.parseInt(readFileSync(file, 'utf8'), 10)
    } catch {
      return false
    }
    return Number.isInteger(pid)
  })
  return pid
}

t.test('descriptors are handed over from 3 on', async t => {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { _handle } = server as unknown as { readonly _handle: { readonly fd: number } }
  const looker = localMachine.start(shell('readlink /proc/self/fd/3'), { fds: [_handle.fd] })
  t.match(await text(looker.stdout!), /^socket:\[/)
})
