import type { BenchRecord } from '../base/results/bench-record.js'

const columns = ['workload', 'case', 'parameters', 'arm', 'role', 'metric', 'unit', 'round', 'value'] as const

/** Every sample of a run as CSV (RFC 4180), a line each, for spreadsheets and data frames; `parameters` are `services=1000;endpoints=2`. */
export function benchCsv({ workload, cases }: BenchRecord): string {
  const rows = cases.flatMap(({ name, parameters, metrics, arms }) => {
    const sizes = Object.entries(parameters)
      .map(([key, value]) => `${key}=${value}`)
      .join(';')
    return arms.flatMap(arm =>
      metrics.flatMap(metric =>
        (arm.samples[metric.name] ?? []).map((value, i) => [
          workload,
          name,
          sizes,
          arm.name,
          arm.role,
          metric.name,
          metric.unit,
          i + 1,
          value,
        ]),
      ),
    )
  })
  return [columns, ...rows].map(row => `${row.map(field).join(',')}\r\n`).join('')
}

const field = (value: string | number): string => {
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
