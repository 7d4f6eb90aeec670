import t from 'tap'

import { runOpenLoop } from '../../../src/bench/open-loop.js'
import { until } from '../../support/until.js'

const signal = new AbortController().signal

t.test('requests start whether or not earlier ones have ended, and waiting is charged', async t => {
  const held: (() => void)[] = []
  let isOpen = false
  const request = () => (isOpen ? Promise.resolve() : new Promise<void>(resolve => held.push(resolve)))
  const running = runOpenLoop({ ratePerSecond: 200, durationMs: 100, request }, signal)
  await until('all requests have started although none has ended', () => held.length === 20)
  const stalledFrom = performance.now()
  await until('some time has gone by', () => performance.now() - stalledFrom > 50)
  isOpen = true
  for (const end of held) end()
  const result = await running
  t.equal(result.done, 20)
  t.ok(result.p50Ms >= 50, `the stall counts for everybody: ${result.p50Ms} ms`)
})

t.test('failures are counted', async t => {
  let calls = 0
  const request = async () => {
    calls += 1
    if (calls % 4 === 0) throw new Error('refused')
  }
  const result = await runOpenLoop({ ratePerSecond: 1000, durationMs: 40, request }, signal)
  t.strictSame([result.done, result.failed], [30, 10])
})
