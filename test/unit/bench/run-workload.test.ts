import t from 'tap'

import { BenchRecord } from '../../../src/base/results/bench-record.js'
import { runWorkload } from '../../../src/bench/run-workload.js'
import { type Arm, type BenchContext, counted, timed, type Workload } from '../../../src/bench/workload.js'

interface Rig {
  readonly workload: Workload
  readonly order: string[]
  readonly closed: () => number
}

/** A workload whose arms take the times of `cost`, called with the round in which they are measured. */
function rig(cost: Readonly<Record<string, (call: number) => number>>): Rig {
  const order: string[] = []
  let closed = 0
  const arms = Object.entries(cost).map(([name, costOf]): Arm => {
    let calls = 0
    return {
      name,
      measure: async () => {
        order.push(name)
        calls += 1
        return { ms: costOf(calls), rules: name.length }
      },
    }
  })
  const workload: Workload = {
    name: 'rig',
    summary: 'for tests',
    cases: () => [
      {
        name: 'only',
        parameters: { services: 10 },
        metrics: [timed('ms', 'ms'), counted('rules', '')],
        baseline: 'ours',
        prepare: async () => ({
          arms,
          missing: [{ arm: 'ipvs', why: 'the kernel has no ip_vs' }],
          close: async () => {
            closed += 1
          },
        }),
      },
    ],
  }
  return { workload, order, closed: () => closed }
}

const context: BenchContext = { scale: 'default', givenArms: new Map(), say: () => {} }
const run = (workload: Workload, signal = new AbortController().signal) =>
  runWorkload({ workload, context, seed: 1, version: '0.1.0' }, signal)

t.test('every arm is measured in every round, the baseline twice, in a shuffled order', async t => {
  const { workload, order, closed } = rig({ ours: i => 10 + (i % 3), theirs: i => 20 + (i % 3) })
  const record = await run(workload)
  t.ok(BenchRecord.safeParse(record).success, 'the record keeps its schema')
  const [only] = record.cases
  t.equal(only?.rounds, 20)
  t.strictSame(
    only?.arms.map(({ name, role }) => [name, role]),
    [
      ['ours', 'baseline'],
      ['ours again', 'null'],
      ['theirs', 'compared'],
    ],
  )
  t.equal(order.filter(name => name === 'ours').length, 40)
  t.equal(order.filter(name => name === 'theirs').length, 20)
  const firstOfRound = order.filter((_, i) => i % 3 === 0)
  t.ok(new Set(firstOfRound).size > 1, 'no arm is always first')
  const ratio = only?.arms[2]?.ratios.ms
  t.ok(ratio && ratio.low > 1.5 && ratio.high < 2.4, JSON.stringify(ratio))
  t.strictSame(only?.missing, [{ arm: 'ipvs', why: 'the kernel has no ip_vs' }])
  t.strictSame(only?.voided, [])
  t.equal(closed(), 1)
})

t.test('a baseline that differs from itself voids the metric, and only that one', async t => {
  // The first measurement of each round is the slow one, as on a machine that goes to sleep between rounds.
  const { workload } = rig({ ours: call => (call % 2 === 1 ? 20 : 10) })
  const record = await runWorkload({ workload, context, seed: 1, version: '0.1.0', order: arms => arms }, new AbortController().signal)
  t.strictSame(record.cases[0]?.voided, ['ms'])
  t.strictSame((await run(rig({ ours: () => 10 }).workload)).cases[0]?.voided, [])
})

t.test('stopped, the whole rounds are kept and what was made is taken away', async t => {
  const stop = new AbortController()
  const { workload, closed } = rig({
    ours: () => 1,
    theirs: i => {
      if (i === 4) stop.abort(new Error('Ctrl-C'))
      return 2
    },
  })
  const record = await run(workload, stop.signal)
  t.equal(record.isPartial, true)
  t.ok((record.cases[0]?.rounds ?? 0) >= 3 && (record.cases[0]?.rounds ?? 9) <= 4)
  t.equal(closed(), 1)
})

t.test('an arm that fails fails the run, and what was made is taken away', async t => {
  const { workload, closed } = rig({
    ours: () => {
      throw new Error('the plugin said no')
    },
  })
  await t.rejects(run(workload), /the plugin said no/)
  t.equal(closed(), 1)
})
