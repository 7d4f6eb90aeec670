import type { Clock } from '../../base/time/clock.js'

/** A wait that doubles with each failure, by key. */
export interface BackOff {
  /** Milliseconds until `key` may be tried again; 0 when it may now. `failedAtMs` is when it failed last. */
  remainingMs(key: string, failedAtMs: number): number
  /** The present length of `key`'s wait. */
  lengthMs(key: string): number
  /** Told of every new try, so that the next failure waits longer. */
  note(key: string): void
  forget(key: string): void
}

export interface BackOffOptions {
  readonly firstMs: number
  readonly longestMs: number
  readonly clock: Clock
}

/** The first try after a failure is free; then `firstMs`, doubled each time. Twice `longestMs` without a try starts over. */
export function createBackOff({ firstMs, longestMs, clock }: BackOffOptions): BackOff {
  const entries = new Map<string, { readonly lengthMs: number; readonly triedAtMs: number }>()
  return {
    remainingMs(key, failedAtMs) {
      const entry = entries.get(key)
      if (!entry || failedAtMs - entry.triedAtMs > 2 * longestMs) return 0
      return Math.max(0, failedAtMs + entry.lengthMs - clock.now())
    },
    lengthMs: key => entries.get(key)?.lengthMs ?? 0,
    note(key) {
      const entry = entries.get(key)
      const now = clock.now()
      const isFresh = entry && now - entry.triedAtMs <= 2 * longestMs
      entries.set(key, { lengthMs: isFresh ? Math.min(entry.lengthMs * 2, longestMs) : firstMs, triedAtMs: now })
    },
    forget: key => entries.delete(key),
  }
}
