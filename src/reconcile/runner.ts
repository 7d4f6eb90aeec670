import { type Clock, systemClock } from '../base/time/clock.js'
import type { Backend } from './backend.js'

export interface RunnerOptions<Desired, Applied, Plan> {
  readonly backend: Backend<Desired, Applied, Plan>
  /** The whole state wanted now, read at each sync; `undefined` while it is not known yet, and then nothing is touched. */
  readonly desired: () => Desired | undefined
  /** At least so long between the starts of two syncs: what changes in between is done at once. */
  readonly minIntervalMs: number
  /** After a failure the next try comes so late at the latest, doubling up to `maxIntervalMs`. */
  readonly retryIntervalMs: number
  /** Without any change a sync still comes so often. */
  readonly maxIntervalMs: number
  /** How often the kernel is observed afresh, so that what others changed is put right. */
  readonly observeIntervalMs: number
  readonly clock?: Clock
  readonly onError: (error: unknown) => void
}

export interface Runner {
  /** Asks for a sync soon. Any number of calls before its start are one. */
  trigger(): void
  /** Asks for a sync soon that looks at the kernel first: somebody is known to have changed it. */
  observeAgain(): void
  /** Syncs once at the start, then whenever asked, until `signal` aborts. A started sync sees the signal; none runs after. */
  run(signal: AbortSignal): Promise<void>
  /** Asks for a sync and resolves when one that began after this call has succeeded. */
  settled(signal: AbortSignal): Promise<void>
}

/**
 * Brings one backend to the desired state, one sync at a time. All retrying and coalescing of a data plane's part is here.
 *
 * `Applied` is kept between syncs, so that a sync costs what changed; it is observed afresh at start, after a failure and
 * at a slow period.
 */
export function createRunner<Desired, Applied, Plan>(options: RunnerOptions<Desired, Applied, Plan>): Runner {
  const { backend, desired, minIntervalMs, retryIntervalMs, maxIntervalMs, observeIntervalMs, clock = systemClock, onError } = options
  let applied: Applied | undefined
  let observedAt = 0
  let isWanted = true
  let wake = () => {}
  let waiters: (() => void)[] = []

  /** Returns whether there was something to bring about. */
  async function syncOnce(signal: AbortSignal): Promise<boolean> {
    const target = desired()
    if (target === undefined) return false
    let before = applied
    applied = undefined // Until it is known again: a failure leaves the kernel in a state we have not seen.
    if (before === undefined || clock.now() - observedAt >= observeIntervalMs) {
      before = await backend.observe(signal)
      observedAt = clock.now()
    }
    applied = await backend.apply(backend.plan(target, before), signal)
    return true
  }

  /** Waits until `at`, or less when `isEarly` and a sync is asked for. */
  async function waitUntil(at: number, signal: AbortSignal, isEarly: boolean): Promise<void> {
    const stop = new AbortController()
    const either = AbortSignal.any([signal, stop.signal])
    wake = () => {
      if (isEarly) stop.abort()
    }
    if (isEarly && isWanted) return
    await clock.sleep(Math.max(0, at - clock.now()), either).catch(() => {}) // Rejects only by the two signals.
  }

  async function run(signal: AbortSignal): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      const startedAt = clock.now()
      isWanted = false
      const served = waiters
      waiters = []
      try {
        if (await syncOnce(signal)) for (const resolve of served) resolve()
        else waiters.unshift(...served)
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        waiters.unshift(...served)
        failures++
        onError(error)
      }
      await waitUntil(startedAt + minIntervalMs, signal, false)
      const longest = failures === 0 ? maxIntervalMs : Math.min(retryIntervalMs * 2 ** (failures - 1), maxIntervalMs)
      await waitUntil(startedAt + longest, signal, true)
    }
  }

  const trigger = () => {
    isWanted = true
    wake()
  }

  return {
    trigger,
    observeAgain() {
      observedAt = Number.NEGATIVE_INFINITY
      trigger()
    },
    run,
    settled: signal =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted()
        const abort = () => reject(signal.reason)
        signal.addEventListener('abort', abort, { once: true })
        waiters.push(() => {
          signal.removeEventListener('abort', abort)
          resolve()
        })
        trigger()
      }),
  }
}
