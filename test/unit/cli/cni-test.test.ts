import t from 'tap'

import { runCli } from '../../../src/cli/program.js'
import type { CaseOutcome } from '../../../src/cni-conformance/run-conformance.js'
import { fakeMachine, keptTerminal } from '../../support/fake-parts.js'

const conf = 'examples/cni/bridge.conflist'
const kept: CaseOutcome = { id: 'add/a', section: '2, ADD', rule: 'it adds', verdict: 'pass', findings: [], durationMs: 1 }
const broken: CaseOutcome = {
  ...kept,
  id: 'gc/b',
  section: '2, GC',
  rule: 'it collects',
  claim: 'C1',
  verdict: 'fail',
  findings: ['it leaves x'],
}
const unfit: CaseOutcome = { ...kept, id: 'status/c', rule: 'it tells', verdict: 'skip', findings: ['too old'] }

/** A machine on which a plugin does so. */
function testing(...outcomes: readonly CaseOutcome[]) {
  return fakeMachine({
    runConformance: async ({ onCase, subject }) => {
      t.equal(subject.list.plugins[0].type, 'podwire')
      for (const outcome of outcomes) onCase?.(outcome)
      return outcomes
    },
  })
}

t.test('a rule that was broken is shown with what was found, and the status is 1', async t => {
  const { parts, terminal } = testing(kept, broken, unfit)
  t.equal(await runCli(['cni-test', '/bin/sh', conf], parts), 1)
  t.equal(
    terminal.written.out,
    `ok    add/a: it adds
FAIL  gc/b: it collects
      it leaves x
      section 2, GC; known violation C1
n.a.  status/c: it tells
      too old
3 cases: 1 passed, 1 failed, 0 in error, 1 not applicable
`,
  )
})

t.test('cases that do not apply break nothing', async t => {
  t.equal(await runCli(['cni-test', '/bin/sh', conf], testing(kept, unfit).parts), 0)
})

t.test('for programs: the whole run and nothing else', async t => {
  const json = testing(kept, broken)
  t.equal(await runCli(['cni-test', '/bin/sh', conf, '-o', 'json'], json.parts), 1)
  t.match(JSON.parse(json.terminal.written.out), { passed: false, cases: [{ id: 'add/a' }, { id: 'gc/b', findings: ['it leaves x'] }] })
  const tap = testing(kept, broken, unfit)
  await runCli(['cni-test', '/bin/sh', conf, '-o', 'tap'], tap.parts)
  t.equal(
    tap.terminal.written.out,
    'TAP version 14\n1..3\nok 1 - add/a: it adds\nnot ok 2 - gc/b: it collects\n# it leaves x\nok 3 - status/c: it tells # SKIP too old\n',
  )
})

t.test('wrong use', async t => {
  for (const [argv, status, words] of [
    [['/nowhere/plugin', conf], 2, /^CONFIG_INVALID \/nowhere\/plugin is no program\nhint: /],
    [['package.json', conf], 2, /^CONFIG_INVALID package.json is no program/],
    [['/bin/sh', 'README.md'], 2, /^CONFIG_INVALID README.md is not JSON/],
    [['/bin/sh', conf, '--case', 'nothing'], 2, /^CONFIG_INVALID no case is named so: nothing/],
  ] as const) {
    const { parts, terminal } = testing()
    t.equal(await runCli(['cni-test', ...argv], parts), status)
    t.match(terminal.written.note, words)
  }
  const { parts, terminal } = fakeMachine({ terminal: keptTerminal({ isRoot: false }) })
  t.equal(await runCli(['cni-test', '/bin/sh', conf], parts), 3)
  t.match(terminal.written.note, /^NOT_PERMITTED /)
})
