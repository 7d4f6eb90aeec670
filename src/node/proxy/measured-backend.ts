import type { Clock } from '../../base/time/clock.js'
import type { Backend } from '../../reconcile/backend.js'

/** What a sync was, for metrics and health. */
export interface SyncReport {
  /** Milliseconds of the clock. */
  readonly startedAt: number
  readonly durationMs: number
  /** True when the kernel was read afresh before it: everything was compared, not only what changed. */
  readonly isFull: boolean
}

export interface SyncObserver {
  onSynced(report: SyncReport): void
  onFailed(report: SyncReport): void
}

/** The same backend, with every sync told to `observer`. */
export function measuredBackend<Desired, Applied, Plan>(
  backend: Backend<Desired, Applied, Plan>,
  { observer, clock }: { readonly observer: SyncObserver; readonly clock: Clock },
): Backend<Desired, Applied, Plan> {
  let startedAt: number | undefined
  let isFull = false
  const report = (): SyncReport => {
    const from = startedAt ?? clock.now()
    const done = { startedAt: from, durationMs: clock.now() - from, isFull }
    startedAt = undefined
    isFull = false
    return done
  }
  const reported = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      observer.onFailed(report())
      throw error
    }
  }
  return {
    name: backend.name,
    observe(signal) {
      startedAt = clock.now()
      isFull = true
      return reported(backend.observe(signal))
    },
    plan(desired, applied) {
      startedAt ??= clock.now()
      try {
        return backend.plan(desired, applied)
      } catch (error) {
        observer.onFailed(report())
        throw error
      }
    },
    async apply(plan, signal) {
      const applied = await reported(backend.apply(plan, signal))
      observer.onSynced(report())
      return applied
    },
  }
}
