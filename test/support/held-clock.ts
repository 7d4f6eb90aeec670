import type { Clock } from '../../src/base/time/clock.js'

export interface HeldClock extends Clock {
  /** Lets `ms` pass, waking sleepers in order of their time, each with all that follows from it before the next. */
  advance(ms: number): Promise<void>
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
  /** How many are asleep. */
  readonly sleepers: number
}

/** A clock that stands still until told. */
export function heldClock(start = 1_000_000): HeldClock {
  let now = start
  let sleeping: { readonly at: number; readonly wake: () => void }[] = []
  const settle = async () => {
    for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve))
  }
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason)
          return
        }
        const abort = () => {
          sleeping = sleeping.filter(other => other !== sleeper)
          reject(signal.reason)
        }
        const sleeper = {
          at: now + ms,
          wake: () => {
            signal.removeEventListener('abort', abort)
            resolve()
          },
        }
        signal.addEventListener('abort', abort, { once: true })
        sleeping.push(sleeper)
      }),
    settle,
    async advance(ms) {
      const end = now + ms
      await settle()
      for (;;) {
        const next = sleeping.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
        if (!next) break
        now = Math.max(now, next.at)
        sleeping = sleeping.filter(other => other !== next)
        next.wake()
        await settle()
      }
      now = end
    },
    get sleepers() {
      return sleeping.length
    },
  }
}
