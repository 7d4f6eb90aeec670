import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { PodwireError } from '../../../src/base/errors/podwire-error.js'
import type { RunRecord } from '../../../src/base/results/run-record.js'
import { buildProgram, runCli } from '../../../src/cli/program.js'
import { fakeMachine, keptTerminal } from '../../support/fake-parts.js'
import { sampleRun } from '../../support/sample-run.js'

/** A folder, and in it a kubeconfig as a lab writes it. */
function folder(t: Test): { dir: string; kubeconfig: string; terminal: ReturnType<typeof keptTerminal> } {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-cli-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const kubeconfig = join(dir, 'lab.kubeconfig')
  const cluster = '{name: c, cluster: {server: "https://127.0.0.1:1"}}'
  writeFileSync(kubeconfig, `clusters: [${cluster}]\nusers: [{name: u, user: {token: secret}}]\n`)
  return { dir, kubeconfig, terminal: keptTerminal({ env: { KUBECONFIG: join(dir, 'config') } }) }
}

t.test('wrong use: one line of what is wrong, one of what helps, status 2', async t => {
  const cases = {
    'an unknown command': ['uq'],
    'an unknown option': ['up', '--nmae', 'x'],
    'a value that is not offered': ['status', '-o', 'yaml'],
    'a name that cannot be a lab': ['up', '--name', 'Not_A_Name'],
    'a missing argument': ['image', 'load'],
    'a command that is not complete': ['flow'],
    'one argument too many': ['down', 'x'],
  }
  for (const [name, argv] of Object.entries(cases)) {
    const { parts, terminal, calls } = fakeMachine()
    t.equal(await runCli(argv, parts), 2, name)
    t.match(terminal.written.note, /^CONFIG_INVALID .+\n(\(Did you mean .+\)\n)?hint: \.\/podwire .*--help\n$/, name)
    t.strictSame(calls, [], `${name}: nothing was done`)
  }
})

t.test('the hint of wrong use names a command, not the value of an option before it', async t => {
  const { parts, terminal } = fakeMachine()
  await runCli(['--name', 'red', 'status'], parts)
  t.match(terminal.written.note, /hint: \.\/podwire status --help\n$/)
})

t.test('help and version need nothing and exit 0', async t => {
  for (const argv of [[], ['--help'], ['up', '--help'], ['flow', 'test', '-h'], ['--version']]) {
    const { parts, terminal, calls } = fakeMachine({ terminal: keptTerminal({ isRoot: false }) })
    t.equal(await runCli(argv, parts), 0)
    t.not(terminal.written.out, '')
    t.strictSame(calls, [])
  }
})

t.test('every command has a description, and those that change things ask for root', async t => {
  const { parts } = fakeMachine()
  const { commands } = buildProgram(parts, () => {})
  for (const command of commands) t.not(command.description(), '', command.name())
  for (const argv of [['demo'], ['up'], ['down'], ['flow', 'test', 'x'], ['node', 'n', '--', 'ls'], ['image', 'load', 'x'], ['logs']]) {
    const { parts, terminal, calls } = fakeMachine({ terminal: keptTerminal({ isRoot: false }) })
    t.equal(await runCli(argv, parts), 3, argv.join(' '))
    t.match(terminal.written.note, /^NOT_PERMITTED .*\nhint: sudo \.\/podwire /)
    t.strictSame(calls, [])
  }
})

t.test('errors of the rooms below keep their code, hint and status; others are defects with a stack', async t => {
  const failing = (error: Error) => fakeMachine({ findLab: () => Promise.reject(error) })
  const ours = failing(new PodwireError('KERNEL_UNSUPPORTED', 'no vxlan', { hint: 'modprobe vxlan' }))
  t.equal(await runCli(['status'], ours.parts), 3)
  t.equal(ours.terminal.written.note, 'KERNEL_UNSUPPORTED no vxlan\nhint: modprobe vxlan\n')
  const foreign = failing(new TypeError('x is not a function'))
  t.equal(await runCli(['status'], foreign.parts), 1)
  t.match(foreign.terminal.written.note, /^INTERNAL TypeError: x is not a function\n +at /)
})

t.test('up: lab, context; -o json reports the time of each step and nothing else', async t => {
  const { dir, kubeconfig, terminal } = folder(t)
  const { parts, calls } = fakeMachine({ terminal }, kubeconfig)
  t.equal(await runCli(['up', '--name', 'red', '-o', 'json'], parts), 0)
  t.strictSame(calls, ['up red'])
  t.equal(terminal.written.note, '')
  const report = JSON.parse(terminal.written.out)
  t.match(report, {
    lab: 'red',
    context: 'podwire-red',
    kubeconfig,
    steps: [{ step: 'hosts', ms: 12 }],
    totalMs: Number,
  })
  t.match(readFileSync(join(dir, 'config'), 'utf8'), 'current-context: podwire-red')
})

t.test('up -f: a file that is not there is wrong use, and nothing is made', async t => {
  const { parts, terminal, calls } = fakeMachine()
  t.equal(await runCli(['up', '-f', '/nowhere/lab.yaml'], parts), 2)
  t.match(terminal.written.note, '/nowhere/lab.yaml')
  t.strictSame(calls, [])
})

t.test('down: twice says that there is nothing to do, and exits 0', async t => {
  const { kubeconfig, terminal, dir } = folder(t)
  const { parts } = fakeMachine({ terminal }, kubeconfig)
  await runCli(['up'], parts)
  t.equal(await runCli(['down'], parts), 0)
  t.match(terminal.written.out, 'Lab podwire is gone.')
  t.notMatch(readFileSync(join(dir, 'config'), 'utf8'), 'podwire')
  t.equal(await runCli(['down'], parts), 0)
  t.match(terminal.written.out, 'nothing to do')
})

t.test('node: the status of the command is ours; a host that is not there is named beside those that are', async t => {
  const { kubeconfig, terminal } = folder(t)
  const { parts } = fakeMachine({ terminal }, kubeconfig)
  await runCli(['up'], parts)
  t.equal(await runCli(['node', 'node-1', '--', 'true', '--json'], parts), 0)
  t.equal(await runCli(['node', 'node-1', '--name', 'podwire', '--', 'false'], parts), 7)
  t.equal(await runCli(['node', 'node-9', '--', 'true'], parts), 1)
  t.match(terminal.written.note, /NOT_FOUND .*node-9.*\nhint: its hosts are: control-plane, node-1\n$/)
})

t.test('a lab that is not there: its name and the command that makes it', async t => {
  for (const argv of [['status'], ['kubeconfig'], ['flow', 'test', 'flows'], ['logs'], ['image', 'load', 'x.tar']]) {
    const { parts, terminal } = fakeMachine()
    t.equal(await runCli([...argv, '--name', 'red'], parts), 1)
    t.match(terminal.written.note, /^NOT_FOUND .*red.*\nhint: \.\/podwire up --name red\n$/, argv.join(' '))
  }
})

t.test('flow test: writes the run and the report, prints in each format, exits 1 when a flow failed', async t => {
  const { dir, kubeconfig, terminal } = folder(t)
  const out = join(dir, 'deep/out')
  const runs: readonly [RunRecord, number][] = [
    [{ ...sampleRun, flows: sampleRun.flows.slice(0, 1) }, 0],
    [sampleRun, 1],
    [{ ...sampleRun, flows: [] }, 1],
  ]
  for (const [record, status] of runs) {
    const { parts } = fakeMachine({ terminal, runFlows: async () => record }, kubeconfig)
    await runCli(['up'], parts)
    terminal.written.out = ''
    t.equal(await runCli(['flow', 'test', 'flows', '--out', out, '-o', 'json'], parts), status)
    t.strictSame(JSON.parse(terminal.written.out), record)
    t.strictSame(JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')), record)
    t.equal(readFileSync(join(out, 'report.html'), 'utf8'), '<html>')
  }
})

t.test('verify: the matrix, what differs and what was not asked; exits 1 when a pair is not as predicted', async t => {
  const { dir, kubeconfig, terminal } = folder(t)
  const out = join(dir, 'verified')
  const [first, second] = sampleRun.flows
  const record: RunRecord = {
    ...sampleRun,
    flows: [first!, { ...second!, verdict: 'fail' }],
    matrices: [
      {
        name: 'from Pods',
        rows: ['shop/a'],
        columns: ['pod shop/b:80', 'service shop/web:80', 'service shop/closed:80'],
        cells: [
          { row: 0, column: 0, expected: '.', seen: '.', verdict: 'pass', flow: first!.name },
          { row: 0, column: 1, expected: '.', seen: 'X', verdict: 'fail', flow: second!.name },
        ],
      },
    ],
  }
  const { parts } = fakeMachine({ terminal, verify: async () => ({ record, leftOut: ['not ready: shop/c'] }) }, kubeconfig)
  await runCli(['up'], parts)
  terminal.written.out = ''
  t.equal(await runCli(['verify', '-n', 'shop', '--out', out], parts), 1)
  t.match(terminal.written.out, 'from Pods  1 2 3\nshop/a     . ! #\n  1  pod shop/b:80\n')
  t.match(terminal.written.out, /not asked:\n {2}not ready: shop\/c\n\npairs: 1 as predicted, 1 not, in /)
  t.strictSame(JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')), record)
  const whole = { ...record, flows: [first!], matrices: [] }
  const fine = fakeMachine({ terminal, verify: async () => ({ record: whole, leftOut: [] }) }, kubeconfig)
  await runCli(['up'], fine.parts)
  t.equal(await runCli(['verify', '--out', out], fine.parts), 0)
})

t.test('why: the cause with what shows it and what to do; exits 1 when something stops it', async t => {
  const { kubeconfig, terminal } = folder(t)
  const [flow] = sampleRun.flows
  const cause = {
    code: 'no-endpoints',
    message: 'Service shop/web has no endpoints',
    where: 'Service shop/web',
    evidence: ['selector: app=wbe'],
    mend: 'kubectl edit',
  }
  const { parts } = fakeMachine({ terminal, whyFlow: async () => ({ ...flow!, verdict: 'fail', causes: [cause] }) }, kubeconfig)
  await runCli(['up'], parts)
  terminal.written.out = ''
  t.equal(await runCli(['why', 'pod/a', 'svc/web'], parts), 1)
  t.match(
    terminal.written.out,
    '\nwhy    Service shop/web has no endpoints (no-endpoints)\nwhere  Service shop/web\nseen   selector: app=wbe\nnext   kubectl edit\n',
  )
  const dropped = { ...cause, mend: './podwire node node-1 -- ip route' }
  const red = fakeMachine({ terminal, whyFlow: async () => ({ ...flow!, causes: [dropped] }) }, kubeconfig)
  await runCli(['up', '--name', 'red'], red.parts)
  t.equal(await runCli(['why', 'pod/a', 'svc/web', '--name', 'red'], red.parts), 1)
  t.match(terminal.written.out, 'next   ./podwire node --name red node-1 -- ip route\n', 'the command is for the lab that was asked')
  const fine = fakeMachine({ terminal }, kubeconfig)
  await runCli(['up'], fine.parts)
  t.equal(await runCli(['why', 'pod/a', 'svc/web', '--udp'], fine.parts), 0)
  t.match(fine.calls, ['up', 'why pod/a svc/web'])
  t.match(terminal.written.out, /\nNothing stops it: it ended /)
  t.equal(await runCli(['why', 'pod/a'], fine.parts), 2)
  t.equal(await runCli(['trace', 'pod/a', 'pod/b', '--size', '7'], fine.parts), 2)
  t.match(terminal.written.note, /Use 8 to 1400, or mtu/)
})

t.test('lesson: the list; one that is not there is refused before anything is broken', async t => {
  const { kubeconfig, terminal } = folder(t)
  const lesson = {
    name: 'x',
    title: 'A title',
    part: 'on one node',
    story: 'S',
    hint: 'H',
    namespace: 'classroom',
    from: 'pod/a',
    to: 'pod/b',
  }
  const { parts } = fakeMachine(
    { terminal, listLessons: async () => [lesson], runLesson: async () => ({ ...sampleRun.flows[0]!, causes: [] }) },
    kubeconfig,
  )
  await runCli(['up'], parts)
  terminal.written.out = ''
  t.equal(await runCli(['lesson', 'list'], parts), 0)
  t.match(terminal.written.out, /^LESSON +PART +TITLE\nx +on one node +A title\n/)
  t.equal(await runCli(['lesson', 'start', 'y'], parts), 1)
  t.match(terminal.written.note, /NOT_FOUND there is no lesson y/)
  t.equal(await runCli(['lesson', 'start', 'x'], parts), 0)
  t.match(terminal.written.out, /Make this go through: \.\/podwire why -n classroom pod\/a pod\/b\n[\s\S]*mended /)
})

t.test('flow explain, record and diff', async t => {
  const { dir, kubeconfig, terminal } = folder(t)
  const { parts } = fakeMachine({ terminal }, kubeconfig)
  await runCli(['up'], parts)
  terminal.written.out = ''
  t.equal(await runCli(['flow', 'explain', 'flows'], parts), 0)
  t.equal(await runCli(['flow', 'record', 'pod/a', 'svc/b'], parts), 0)
  t.equal(terminal.written.out, 'explained: flows\nrecorded: pod/a svc/b\n')
  const [good, bad] = [join(dir, 'good.json'), join(dir, 'bad.json')]
  writeFileSync(good, JSON.stringify(sampleRun))
  const [first, ...others] = sampleRun.flows
  writeFileSync(bad, JSON.stringify({ ...sampleRun, flows: [{ ...first, ladder: first!.ladder.slice(0, 3) }, ...others] }))
  terminal.written.out = ''
  t.equal(await runCli(['flow', 'diff', good, good], parts), 0)
  t.equal(await runCli(['flow', 'diff', good, bad], parts), 1)
  t.match(terminal.written.out, /\n {2}- there {2}.*\n {2}\+ \(nothing more\)\n\nflows: 3 the same, 1 differ, 0 in one run only\n$/)
})

t.test('flow draw: one flow of a recorded run, by anybody', async t => {
  const { dir } = folder(t)
  const file = join(dir, 'results.json')
  writeFileSync(file, JSON.stringify(sampleRun))
  const draw = async (...argv: readonly string[]) => {
    const { parts, terminal } = fakeMachine({ terminal: keptTerminal({ isRoot: false }) })
    return { status: await runCli(['flow', 'draw', ...argv], parts), ...terminal.written }
  }
  t.match(await draw(file, 'policy-deny'), { status: 0, out: '<svg>policy-deny</svg>', note: '' })
  t.match(await draw(file, 'nothing'), { status: 1, note: /^NOT_FOUND .*nothing.*\nhint: it has: clusterip-other-node, / })
  t.match(await draw(join(dir, 'absent'), 'x'), { status: 2, note: /^CONFIG_INVALID / })
  writeFileSync(file, '{}')
  t.match(await draw(file, 'x'), { status: 2, note: /^CONFIG_INVALID .*is not a recorded run/ })
})

t.test('demo: a lab, the shop, the flows, and the lab is gone again', async t => {
  const { dir, kubeconfig, terminal } = folder(t)
  const failing = fakeMachine({ terminal, applyManifests: () => Promise.reject(new PodwireError('API_REFUSED', 'no')) }, kubeconfig)
  t.equal(await runCli(['demo', '--out', join(dir, 'demo')], failing.parts), 1)
  t.strictSame(failing.calls, ['up podwire', 'down podwire'], 'also when it failed')
})
