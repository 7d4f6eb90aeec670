import type { Clock } from '../../base/time/clock.js'

export interface Repetition {
  readonly everyMs: number
  readonly clock: Clock
  readonly onError: (error: unknown) => void
}

/** Runs `task` now and then again `everyMs` after it ended, until `signal` aborts; an error is told and the next turn comes as usual. */
export async function repeat({ everyMs, clock, onError }: Repetition, task: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await task()
    } catch (error) {
      if (!signal.aborted) onError(error)
    }
    await clock.sleep(everyMs, signal).catch(() => {}) // Only the signal ends a sleep early.
  }
}
