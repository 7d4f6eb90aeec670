import type { Interval } from '../base/results/bench-record.js'
import type { ComparedMetric, ComparedVerdict } from '../bench/compare-records.js'
import { textTable } from './text-table.js'

const order: readonly ComparedVerdict[] = ['worse', 'better', 'same', 'unsure', 'void', 'new', 'gone']

/** A line a metric, what is worse first, and a line that sums up. */
export function comparedText(comparison: readonly ComparedMetric[]): string {
  const rows = [...comparison]
    .sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict))
    .map(({ verdict, case: name, arm, metric, old, now }) => [verdict, name, arm, metric, figure(old), figure(now)])
  const counts = order.flatMap(verdict => {
    const count = comparison.filter(each => each.verdict === verdict).length
    return count === 0 ? [] : [`${count} ${verdict}`]
  })
  return `${textTable(['verdict', 'case', 'arm', 'metric', 'before', 'now'], rows)}metrics: ${counts.join(', ') || 'none'}\n`
}

const figure = (value: Interval | number | undefined): string =>
  value === undefined
    ? '–'
    : typeof value === 'number'
      ? String(value)
      : `${value.estimate.toFixed(2)} [${value.low.toFixed(2)}, ${value.high.toFixed(2)}]`
