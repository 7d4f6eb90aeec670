import type { ArmRecord, BenchRecord, CaseRecord, Interval } from '../../src/base/results/bench-record.js'

export const interval = (low: number, high: number): Interval => ({ estimate: (low + high) / 2, low, high })

/** An arm whose one metric is `time`. */
export const arm = (name: string, role: ArmRecord['role'], median: number, ratio?: Interval): ArmRecord => ({
  name,
  role,
  samples: { time: [median, median] },
  medians: { time: median },
  ratios: ratio === undefined ? {} : { time: ratio },
})

/** A case whose one metric is a time, which is the better the lower. */
export const timedCase = (arms: readonly ArmRecord[], rest: Partial<CaseRecord> = {}): CaseRecord => ({
  name: 'sync',
  parameters: {},
  metrics: [{ name: 'time', unit: 'ms', better: 'lower', isDeterministic: false }],
  baseline: 'peer',
  rounds: 7,
  arms: [arm('peer', 'baseline', 10), arm('peer again', 'null', 10, interval(0.95, 1.06)), ...arms],
  missing: [],
  voided: [],
  ...rest,
})

export const benchmark = (...cases: readonly CaseRecord[]): BenchRecord => ({
  apiVersion: 'podwire.dev/v1alpha1',
  kind: 'BenchRecord',
  workload: 'proxy',
  scale: 'quick',
  seed: 1,
  startedAt: '2026-11-24T12:00:00.000Z',
  durationMs: 1000,
  isPartial: false,
  machine: { kernel: '6.18.44', cpu: 'EPYC', cpus: 2, memoryMiB: 24_000, node: 'v20.20.2', podwire: '0.1.0', load: 0.2 },
  cases: [...cases],
})
