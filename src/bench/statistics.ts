import type { Interval } from '../base/results/bench-record.js'
import { seededRandom } from './random.js'

/** Fewer rounds than this give no interval: the bootstrap would only repeat the few samples it has. */
export const minRoundsForInterval = 5

const resamples = 2000

/** The value below which the share `q` of the values lies, between two neighbours in proportion. Values must not be empty. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const position = (sorted.length - 1) * q
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? below
  return below + (above - below) * (position - Math.floor(position))
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

export interface PairedSamples {
  /** Sample of round i. */
  readonly arm: readonly number[]
  /** Sample of the same round. */
  readonly baseline: readonly number[]
}

/**
 * Ratio of the medians with the interval that `confidence` of bootstrap resamples fall into. Whole rounds are drawn, so that
 * what disturbed both arms of a round stays paired. Undefined when there are too few rounds or the baseline is zero.
 */
export function ratioOfMedians(
  { arm, baseline }: PairedSamples,
  { confidence, seed }: { readonly confidence: number; readonly seed: number },
): Interval | undefined {
  const rounds = Math.min(arm.length, baseline.length)
  const base = median(baseline.slice(0, rounds))
  if (rounds < minRoundsForInterval || !(base > 0)) return undefined
  const random = seededRandom(seed)
  const ratios = Array.from({ length: resamples }, () => {
    const drawn = Array.from({ length: rounds }, () => Math.floor(random() * rounds))
    return median(drawn.map(i => arm[i] as number)) / median(drawn.map(i => baseline[i] as number))
  })
  const tail = (1 - confidence) / 2
  return { estimate: median(arm.slice(0, rounds)) / base, low: quantile(ratios, tail), high: quantile(ratios, 1 - tail) }
}
