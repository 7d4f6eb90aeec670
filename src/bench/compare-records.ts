import type { BenchRecord, CaseRecord, Interval, MetricRecord } from '../base/results/bench-record.js'

/**
 * What became of one metric of one arm: `same` where the intervals meet, `void` where one of the runs says nothing about it, `unsure` where there were too few
 * rounds for an interval, `new` and `gone` where only one of the runs has it.
 */
export type ComparedVerdict = 'better' | 'worse' | 'same' | 'void' | 'unsure' | 'new' | 'gone'

export interface ComparedMetric {
  readonly case: string
  readonly arm: string
  readonly metric: string
  readonly verdict: ComparedVerdict
  /** Ratios to the baseline of their own run; of counts the counts themselves. */
  readonly old: Interval | number | undefined
  readonly now: Interval | number | undefined
}

/**
 * Two runs of one workload, metric by metric, in the order of the second. Times of two runs are not comparable, what an arm is to the baseline beside it is: so ratios are
 * compared by their intervals. Counts that no time decides are compared as they are: any difference is one.
 */
export function compareRecords(old: BenchRecord, now: BenchRecord): readonly ComparedMetric[] {
  const before = measuredOf(old)
  const after = measuredOf(now)
  const gone = [...before].filter(([key]) => !after.has(key)).map(([, each]) => compared(each, undefined))
  return [...[...after].map(([key, each]) => compared(before.get(key), each)), ...gone]
}

interface Measured {
  readonly names: Pick<ComparedMetric, 'case' | 'arm' | 'metric'>
  readonly metric: MetricRecord
  readonly value: Interval | number | undefined
  readonly isVoid: boolean
}

/** Everything that a run says of an arm, by what identifies it in another run. */
function measuredOf({ cases }: BenchRecord): ReadonlyMap<string, Measured> {
  const all = cases.flatMap(each =>
    each.metrics.flatMap(metric =>
      each.arms
        .filter(({ role }) => role === 'compared' || (role === 'baseline' && metric.isDeterministic))
        .map((arm): readonly [string, Measured] => {
          const names = { case: caseName(each), arm: arm.name, metric: metric.name }
          const value = metric.isDeterministic ? arm.medians[metric.name] : arm.ratios[metric.name]
          return [JSON.stringify(names), { names, metric, value, isVoid: !metric.isDeterministic && each.voided.includes(metric.name) }]
        }),
    ),
  )
  return new Map(all)
}

/** Its name with what it was sized by: a case of another size is another case. */
export function caseName({ name, parameters }: Pick<CaseRecord, 'name' | 'parameters'>): string {
  const sizes = Object.entries(parameters).map(([key, value]) => `${value} ${key}`)
  return [name, ...sizes.filter(size => !name.toLowerCase().includes(size.toLowerCase()))].join(', ')
}

function compared(old: Measured | undefined, now: Measured | undefined): ComparedMetric {
  const { names } = (now ?? old)!
  return { ...names, verdict: verdictOf(old, now), old: old?.value, now: now?.value }
}

function verdictOf(old: Measured | undefined, now: Measured | undefined): ComparedVerdict {
  if (old === undefined) return 'new'
  if (now === undefined) return 'gone'
  if (old.isVoid || now.isVoid) return 'void'
  const [before, after] = [rangeOf(old.value), rangeOf(now.value)]
  if (before === undefined || after === undefined) return 'unsure'
  if (after.low <= before.high && before.low <= after.high) return 'same'
  const isLower = after.high < before.low
  return isLower === (now.metric.better === 'lower') ? 'better' : 'worse'
}

const rangeOf = (value: Interval | number | undefined): { readonly low: number; readonly high: number } | undefined =>
  typeof value === 'number' ? { low: value, high: value } : value
