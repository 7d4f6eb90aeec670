import type { Clock } from '../../base/time/clock.js'

/** A sleeper that can be woken; being woken while awake counts too. */
export interface Wake {
  kick(): void
  /** Resolves when kicked, or after `withinMs`; rejects when aborted. */
  wait(withinMs: number, signal: AbortSignal): Promise<void>
}

export function createWake(clock: Clock): Wake {
  let isKicked = false
  let woken = new AbortController()
  return {
    kick() {
      isKicked = true
      woken.abort()
    },
    async wait(withinMs, signal) {
      if (!isKicked) {
        const { signal: kicked } = woken
        await clock.sleep(withinMs, AbortSignal.any([signal, kicked])).catch(error => {
          if (!kicked.aborted) throw error
        })
      }
      signal.throwIfAborted()
      isKicked = false
      woken = new AbortController()
    },
  }
}
