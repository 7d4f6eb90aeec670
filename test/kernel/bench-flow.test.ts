import t from 'tap'

import { flowWorkload } from '../../src/bench/workloads/flow.js'

const signal = AbortSignal.timeout(100_000)
const context = { scale: 'quick', givenArms: new Map<string, string>(), say: () => {} } as const

t.test('a sample of every arm has its metrics', async t => {
  const cases = flowWorkload.cases(context)
  t.strictSame(
    cases.map(({ name }) => name),
    ['decode', 'flow tests', 'watched traffic'],
  )
  for (const { name, metrics, baseline, prepare } of cases) {
    const { arms, close } = await prepare(context, signal)
    try {
      t.ok(arms.some(arm => arm.name === baseline))
      for (const arm of arms.filter(each => name !== 'decode' || each.name === baseline)) {
        const sample = await arm.measure(signal)
        for (const metric of metrics)
          t.ok(Number.isFinite(sample[metric.name]), `${name}: ${arm.name}: ${metric.name} ${sample[metric.name]}`)
      }
    } finally {
      await close()
    }
  }
})
