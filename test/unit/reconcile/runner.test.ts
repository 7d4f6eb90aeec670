import t, { type Test } from 'tap'
import type { Backend } from '../../../src/reconcile/backend.js'
import { createRunner } from '../../../src/reconcile/runner.js'
import { heldClock } from '../../support/held-clock.js'

/** A backend over a number; `log` tells what it was asked. */
function countingBackend() {
  const log: string[] = []
  const state = { kernel: 0, failures: 0 }
  const backend: Backend<number, number, { from: number; to: number }> = {
    name: 'counting',
    async observe() {
      log.push('observe')
      return state.kernel
    },
    plan: (to, from) => ({ from, to }),
    async apply({ from, to }) {
      log.push(`apply ${from}→${to}`)
      if (state.failures > 0) {
        state.failures--
        throw new Error('refused')
      }
      state.kernel = to
      return to
    },
  }
  return { log, state, backend, take: () => log.splice(0) }
}

function start(t: Test, { initial }: { initial: number | undefined } = { initial: 1 }) {
  const { backend, state, take } = countingBackend()
  const clock = heldClock()
  const errors: unknown[] = []
  const wanted: { value: number | undefined } = { value: initial }
  const runner = createRunner({
    backend,
    desired: () => wanted.value,
    minIntervalMs: 100,
    retryIntervalMs: 1000,
    maxIntervalMs: 10_000,
    observeIntervalMs: 25_000,
    clock,
    onError: error => errors.push(error),
  })
  const stop = new AbortController()
  const done = runner.run(stop.signal)
  t.teardown(async () => {
    stop.abort()
    await done
    if (clock.sleepers > 0) throw new Error('something sleeps on after the end')
  })
  return { clock, errors, wanted, runner, state, take, stop }
}

t.test('syncs at the start, then only what changed', async t => {
  const { clock, wanted, runner, take } = start(t)
  await clock.settle()
  t.strictSame(take(), ['observe', 'apply 0→1'])
  await clock.advance(200)
  wanted.value = 2
  runner.trigger()
  await clock.settle()
  t.strictSame(take(), ['apply 1→2'], 'without observing again')
})

t.test('many triggers within the minimum interval are one sync', async t => {
  const { clock, wanted, runner, take } = start(t)
  await clock.settle()
  take()
  for (wanted.value = 2; wanted.value < 9; wanted.value++) runner.trigger()
  await clock.advance(99)
  t.strictSame(take(), [])
  await clock.advance(1)
  t.strictSame(take(), ['apply 1→9'])
  await clock.advance(9999)
  t.strictSame(take(), [])
  await clock.advance(1)
  t.strictSame(take(), ['apply 9→9'], 'and without triggers one each maximum interval')
})

t.test('after a failure it observes afresh, waiting longer each time', async t => {
  const { clock, state, errors, runner, take } = start(t)
  await clock.settle()
  take()
  await clock.advance(100)
  state.failures = 3
  state.kernel = 5
  runner.trigger()
  await clock.settle()
  t.strictSame(take(), ['apply 1→1'])
  await clock.advance(1000)
  t.strictSame(take(), ['observe', 'apply 5→1'])
  await clock.advance(1999)
  t.strictSame(take(), [])
  await clock.advance(1)
  t.strictSame(take(), ['observe', 'apply 5→1'])
  runner.trigger()
  await clock.advance(100)
  t.strictSame(take(), ['observe', 'apply 5→1'], 'a trigger need not wait for the retry')
  t.equal(errors.length, 3)
})

t.test('what others changed is seen at the slow period', async t => {
  const { clock, state, take } = start(t)
  await clock.settle()
  state.kernel = 7
  await clock.advance(20_000)
  t.strictSame(take(), ['observe', 'apply 0→1', 'apply 1→1', 'apply 1→1'])
  state.kernel = 7
  await clock.advance(10_000)
  t.strictSame(take(), ['observe', 'apply 7→1'])
})

t.test('nothing is touched until the desired state is known', async t => {
  const { clock, wanted, runner, take } = start(t, { initial: undefined })
  runner.trigger()
  await clock.advance(1000)
  t.strictSame(take(), [])
  wanted.value = 4
  runner.trigger()
  await clock.settle()
  t.strictSame(take(), ['observe', 'apply 0→4'])
})

t.test('settled waits for a sync that began later and succeeded', async t => {
  const { clock, wanted, runner, state, take } = start(t)
  const signal = new AbortController().signal
  await clock.settle()
  take()
  wanted.value = 3
  state.failures = 1
  let isSettled = false
  const settled = runner.settled(signal).then(() => {
    isSettled = true
  })
  await clock.advance(100)
  t.strictSame(take(), ['apply 1→3'])
  t.notOk(isSettled)
  await clock.advance(1000)
  await settled
  t.equal(state.kernel, 3)

  const stop = new AbortController()
  const given = runner.settled(stop.signal)
  stop.abort(new Error('enough'))
  await t.rejects(given, { message: 'enough' })
})
