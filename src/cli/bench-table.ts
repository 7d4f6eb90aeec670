import type { ArmRecord, BenchRecord, CaseRecord, Interval, MetricRecord } from '../base/results/bench-record.js'
import { textTable } from './text-table.js'

/** A run as text: a table a case, medians with their ratio to the baseline, and what must be said about them. */
export function benchTable(record: BenchRecord): string {
  const { machine } = record
  const head = `${record.workload}: Linux ${machine.kernel}, ${machine.cpus} × ${machine.cpu}, Node ${machine.node}, load ${machine.load.toFixed(2)}, seed ${record.seed}\n`
  const partial = record.isPartial ? '\nStopped before its end: these are whole rounds, not all of them.\n' : ''
  return `${head}${record.cases.map(caseText).join('')}${partial}`
}

/** More metrics than these do not fit beside each other on a terminal. */
const metricsAbreast = 2

function caseText(benchCase: CaseRecord): string {
  const { name, parameters, metrics, rounds, baseline } = benchCase
  const sizes = Object.entries(parameters).map(([key, value]) => `${value} ${key}`)
  const unsaid = sizes.filter(size => !name.toLowerCase().includes(size))
  const notes = [
    ...benchCase.missing.map(({ arm, why }) => `${arm} was left out: ${why}`),
    ...benchCase.voided.map(metric => `VOID: ${metric} of ${baseline} differs from itself; the machine was not still, run again`),
  ]
  const title = `\n${[name, ...unsaid].join(', ')} (${rounds} ${rounds === 1 ? 'round' : 'rounds'})\n`
  const tables = metrics.length <= metricsAbreast ? [metrics] : metrics.map(metric => [metric])
  return `${title}${tables.map(each => metricTable(benchCase, each)).join('\n')}${notes.map(note => `${note}\n`).join('')}`
}

function metricTable({ arms, baseline }: CaseRecord, metrics: readonly MetricRecord[]): string {
  const header = ['arm', ...metrics.flatMap(({ name }) => [name, `× ${baseline}`])]
  return textTable(
    header,
    arms.map(arm => [arm.name, ...metrics.flatMap(metric => cells(arm, metric))]),
  )
}

function cells(arm: ArmRecord, { name, unit }: MetricRecord): readonly string[] {
  const ratio = arm.ratios[name]
  return [figure(arm.medians[name] ?? Number.NaN, unit), ratio === undefined ? '' : interval(ratio)]
}

const interval = ({ estimate, low, high }: Interval): string => `${estimate.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`

/** Three digits that mean something; counts as they are. */
function figure(value: number, unit: string): string {
  if (Number.isNaN(value)) return '–'
  const text = Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
  return unit === '' || unit === '1/s' ? text : `${text} ${unit}`
}
