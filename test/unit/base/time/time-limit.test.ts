import t from 'tap'

import { withTimeLimit } from '../../../../src/base/time/time-limit.js'

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

t.test('the time ends the work and says so', async t => {
  let wasOver: boolean | undefined
  const work = withTimeLimit({ ms: 1, signal: new AbortController().signal }, (limited, isOver) =>
    untilAborted(limited).finally(() => {
      wasOver = isOver()
    }),
  )
  await t.rejects(work, { name: 'TimeoutError', message: 'not done within 1 ms' })
  t.equal(wasOver, true)
})

t.test('the caller ends the work, and it was not the time', async t => {
  const stop = new AbortController()
  let wasOver: boolean | undefined
  const work = withTimeLimit({ ms: 60_000, signal: stop.signal }, (limited, isOver) =>
    untilAborted(limited).finally(() => {
      wasOver = isOver()
    }),
  )
  stop.abort(new Error('enough'))
  await t.rejects(work, { message: 'enough' })
  t.equal(wasOver, false)
})

t.test('work in time is its own result, and the timer keeps no process alive', async t => {
  t.equal(await withTimeLimit({ ms: 60_000, signal: undefined }, async () => 7), 7)
})
