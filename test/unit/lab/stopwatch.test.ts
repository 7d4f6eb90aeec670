import t from 'tap'

import { createStopwatch } from '../../../src/lab/stopwatch.js'

t.test('steps that overlap are told in the order in which they began; one that fails is not among them', async t => {
  const told: string[] = []
  const watch = createStopwatch((step, state) => told.push(`${step} ${state}`))
  let finish = () => {}
  const slow = watch.time('slow', () => new Promise<void>(resolve => (finish = resolve)))
  t.equal(await watch.time('quick', async () => 7), 7)
  await t.rejects(
    watch.time('failing', () => Promise.reject(new Error('no'))),
    /no/,
  )
  finish()
  await slow
  t.strictSame(told, ['slow started', 'quick started', 'quick done', 'failing started', 'slow done'])
  t.strictSame(
    watch.steps().map(({ step }) => step),
    ['slow', 'quick'],
  )
})
