import { z } from 'zod'

/** What one figure of a benchmark is: its unit, which direction is better, and whether another run must give the same digit. */
export const MetricRecord = z.strictObject({
  name: z.string(),
  unit: z.string(),
  better: z.enum(['lower', 'higher']),
  /** A count that does not depend on time: rules, bytes, system calls. */
  isDeterministic: z.boolean(),
})
export type MetricRecord = z.infer<typeof MetricRecord>

/** An estimate with the interval that a bootstrap over the rounds gives it. */
export const Interval = z.strictObject({ estimate: z.number(), low: z.number(), high: z.number() })
export type Interval = z.infer<typeof Interval>

/** One arm of a case: every sample, a row a round; the null arm repeats the baseline. */
export const ArmRecord = z.strictObject({
  name: z.string(),
  role: z.enum(['baseline', 'null', 'compared']),
  /** Sample of round i of each metric, in the metric's unit. */
  samples: z.record(z.string(), z.array(z.number())),
  /** Median of each metric over the rounds. */
  medians: z.record(z.string(), z.number()),
  /** Ratio of medians to the baseline, paired round by round; absent for the baseline and when there are too few rounds. */
  ratios: z.record(z.string(), Interval),
})
export type ArmRecord = z.infer<typeof ArmRecord>

export const CaseRecord = z.strictObject({
  name: z.string(),
  parameters: z.record(z.string(), z.union([z.string(), z.number()])),
  metrics: z.array(MetricRecord),
  baseline: z.string(),
  rounds: z.int(),
  arms: z.array(ArmRecord),
  /** Arms that this machine cannot run, with the reason. */
  missing: z.array(z.strictObject({ arm: z.string(), why: z.string() })),
  /** Metrics in which the null arm differs from its twin: the machine was not still, and these figures say nothing. */
  voided: z.array(z.string()),
})
export type CaseRecord = z.infer<typeof CaseRecord>

/** One run of `podwire bench`, as `results.json` holds it. */
export const BenchRecord = z.strictObject({
  apiVersion: z.literal('podwire.dev/v1alpha1'),
  kind: z.literal('BenchRecord'),
  workload: z.string(),
  scale: z.enum(['quick', 'default', 'full']),
  /** The order of arms and the bootstrap come from it. */
  seed: z.int(),
  startedAt: z.iso.datetime(),
  durationMs: z.number(),
  /** True when the run was stopped: what stands here is whole rounds. */
  isPartial: z.boolean(),
  machine: z.strictObject({
    kernel: z.string(),
    cpu: z.string(),
    cpus: z.int(),
    memoryMiB: z.int(),
    node: z.string(),
    podwire: z.string(),
    /** Load average over one minute when the run began. */
    load: z.number(),
  }),
  cases: z.array(CaseRecord),
})
export type BenchRecord = z.infer<typeof BenchRecord>

/** JSON Schema (draft 2020-12) of `results.json`, as `schemas/bench.schema.json` publishes it. */
export const benchJsonSchema = (): object => z.toJSONSchema(BenchRecord)
