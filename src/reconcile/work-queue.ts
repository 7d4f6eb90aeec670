import { type Clock, systemClock } from '../base/time/clock.js'

export interface WorkQueueOptions {
  /** Brings what `key` names to its wanted state. Never called for one key twice at a time. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<void>
  /** How many keys are worked on at a time. */
  readonly workers?: number
  /** The first wait after a failure; it doubles with each failure of the same key, up to `longestRetryMs`. */
  readonly retryMs?: number
  readonly longestRetryMs?: number
  readonly clock?: Clock
  readonly onError: (error: unknown, key: string) => void
}

export interface WorkQueue {
  /** Asks for `key` to be worked on. A key that waits already is not added twice; one in work is worked on again after. */
  add(key: string): void
  /** The same after `ms`; of several waits for a key the shortest counts. */
  addAfter(key: string, ms: number): void
  /** Works until `signal` aborts and the work in hand has ended. */
  run(signal: AbortSignal): Promise<void>
}

/** A timer cannot wait longer; who waits for more is woken early, looks, and waits again. */
const longestTimerMs = 2 ** 31 - 1

/** Keys to work on, each once, with bounded workers and growing waits after failures. */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { reconcile, workers = 1, retryMs = 5, longestRetryMs = 30_000, clock = systemClock, onError } = options
  const queued = new Set<string>()
  const inWork = new Set<string>()
  const again = new Set<string>()
  const failures = new Map<string, number>()
  const waiting = new Map<string, { readonly at: number; readonly cancel: () => void }>()
  const tasks = new Set<Promise<void>>()
  let running: AbortSignal | undefined

  async function work(key: string, signal: AbortSignal): Promise<void> {
    try {
      await reconcile(key, signal)
      failures.delete(key)
    } catch (error) {
      if (signal.aborted) return
      const failed = (failures.get(key) ?? 0) + 1
      failures.set(key, failed)
      onError(error, key)
      addAfter(key, Math.min(retryMs * 2 ** (failed - 1), longestRetryMs))
    } finally {
      inWork.delete(key)
      if (again.delete(key)) queued.add(key)
    }
  }

  function pump(): void {
    if (!running || running.aborted) return
    for (const key of queued) {
      if (inWork.size >= workers) return
      queued.delete(key)
      inWork.add(key)
      const task = work(key, running).finally(() => {
        tasks.delete(task)
        pump()
      })
      tasks.add(task)
    }
  }

  function add(key: string): void {
    waiting.get(key)?.cancel()
    if (inWork.has(key)) again.add(key)
    else queued.add(key)
    pump()
  }

  function addAfter(key: string, wanted: number): void {
    const ms = Math.min(wanted, longestTimerMs)
    if (ms <= 0) {
      add(key)
      return
    }
    const at = clock.now() + ms
    const current = waiting.get(key)
    if (current && current.at <= at) return
    current?.cancel()
    const stop = new AbortController()
    const cancel = () => {
      if (waiting.get(key) === entry) waiting.delete(key)
      stop.abort()
    }
    const entry = { at, cancel }
    waiting.set(key, entry)
    clock.sleep(ms, running ? AbortSignal.any([stop.signal, running]) : stop.signal).then(
      () => {
        waiting.delete(key)
        add(key)
      },
      () => {}, // Cancelled.
    )
  }

  return {
    add,
    addAfter,
    async run(signal) {
      running = signal
      pump()
      if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
      for (const { cancel } of [...waiting.values()]) cancel()
      await Promise.all(tasks)
    },
  }
}
