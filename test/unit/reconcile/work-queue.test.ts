import t, { type Test } from 'tap'
import { createWorkQueue } from '../../../src/reconcile/work-queue.js'
import { heldClock } from '../../support/held-clock.js'

/** A queue whose work ends when the test says. */
function start(t: Test, workers = 1) {
  const clock = heldClock()
  const log: string[] = []
  const open = new Map<string, { resolve: () => void; reject: (error: Error) => void }>()
  const errors: string[] = []
  const queue = createWorkQueue({
    workers,
    retryMs: 10,
    longestRetryMs: 30,
    clock,
    onError: (_error, key) => errors.push(key),
    reconcile: key =>
      new Promise((resolve, reject) => {
        t.notOk(open.has(key), `${key} is not worked on twice at a time`)
        log.push(key)
        open.set(key, { resolve, reject })
      }),
  })
  const end = async (key: string, error?: Error) => {
    const { resolve, reject } = open.get(key)!
    open.delete(key)
    if (error) reject(error)
    else resolve()
    await clock.settle()
  }
  const stop = new AbortController()
  const done = queue.run(stop.signal)
  t.teardown(async () => {
    stop.abort()
    for (const { resolve } of open.values()) resolve()
    await done
    if (clock.sleepers > 0) throw new Error('something sleeps on after the end')
  })
  return { clock, queue, errors, end, take: () => log.splice(0) }
}

t.test('a key that waits is not added twice; one in work is worked on again after', async t => {
  const { queue, end, take } = start(t)
  queue.add('a')
  queue.add('b')
  queue.add('b')
  t.strictSame(take(), ['a'])
  queue.add('a')
  queue.add('a')
  await end('a')
  t.strictSame(take(), ['b'], 'and then behind those that waited')
  await end('b')
  t.strictSame(take(), ['a'])
  await end('a')
  t.strictSame(take(), [])
})

t.test('no more at a time than there are workers', async t => {
  const { queue, end, take } = start(t, 2)
  for (const key of ['a', 'b', 'c', 'd']) queue.add(key)
  t.strictSame(take(), ['a', 'b'])
  await end('b')
  t.strictSame(take(), ['c'])
  await end('a')
  t.strictSame(take(), ['d'])
})

t.test('failures wait longer each time, success forgets them', async t => {
  const { clock, queue, errors, end, take } = start(t)
  queue.add('a')
  for (const waitMs of [10, 20, 30, 30]) {
    t.strictSame(take(), ['a'])
    await end('a', new Error('refused'))
    await clock.advance(waitMs - 1)
    t.strictSame(take(), [])
    await clock.advance(1)
  }
  t.strictSame(take(), ['a'])
  t.equal(errors.length, 4)
  await end('a')
  queue.add('a')
  take()
  await end('a', new Error('refused'))
  await clock.advance(10)
  t.strictSame(take(), ['a'])
})

t.test('adding a key ends its wait', async t => {
  const { clock, queue, end, take } = start(t)
  queue.addAfter('a', 100)
  queue.add('a')
  t.strictSame(take(), ['a'])
  await end('a')
  await clock.advance(1000)
  t.strictSame(take(), [])
})

t.test('of several waits the shortest counts', async t => {
  const { clock, queue, end, take } = start(t)
  queue.addAfter('a', 100)
  queue.addAfter('a', 50)
  queue.addAfter('a', 80)
  await clock.advance(50)
  t.strictSame(take(), ['a'])
  await end('a')
  await clock.advance(100)
  t.strictSame(take(), [])
})
