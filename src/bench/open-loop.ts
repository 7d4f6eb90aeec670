import { build as buildHistogram } from 'hdr-histogram-js'

export interface OpenLoop {
  /** Requests that shall start in each second, evenly spaced. */
  readonly ratePerSecond: number
  readonly durationMs: number
  /** One request; a failure is counted and does not stop the load. */
  readonly request: (signal: AbortSignal) => Promise<void>
}

export interface OpenLoopResult {
  readonly done: number
  readonly failed: number
  /** Milliseconds from the intended start to the end. */
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** The histogram counts microseconds, up to a minute. */
const histogramOptions = { lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 } as const

/**
 * Starts requests at their intended times whether or not earlier ones have ended, and measures from the intended start:
 * a server that stalls is charged for everybody who waited (no coordinated omission).
 */
export async function runOpenLoop({ ratePerSecond, durationMs, request }: OpenLoop, signal: AbortSignal): Promise<OpenLoopResult> {
  const histogram = buildHistogram(histogramOptions)
  const total = Math.floor((ratePerSecond * durationMs) / 1000)
  const spacingMs = 1000 / ratePerSecond
  const start = performance.now()
  const running = new Set<Promise<void>>()
  let started = 0
  let failed = 0

  const startDue = () => {
    const due = Math.min(total, Math.floor((performance.now() - start) / spacingMs) + 1)
    for (; started < due; started++) {
      const intended = start + started * spacingMs
      const one = request(signal)
        .catch(() => {
          failed += 1
        })
        .finally(() => {
          histogram.recordValue(Math.max(1, Math.min(60_000_000, Math.round((performance.now() - intended) * 1000))))
          running.delete(one)
        })
      running.add(one)
    }
  }

  await new Promise<void>((resolve, reject) => {
    const tick = () => {
      if (signal.aborted) return reject(signal.reason)
      startDue()
      if (started >= total) return resolve()
      setTimeout(tick, Math.max(0, start + started * spacingMs - performance.now()))
    }
    tick()
  })
  await Promise.all(running)
  const ms = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1000
  return { done: total - failed, failed, p50Ms: ms(50), p90Ms: ms(90), p99Ms: ms(99), maxMs: histogram.maxValue / 1000 }
}
