import type { MetricRecord } from '../base/results/bench-record.js'

/** How much time a run may take: `quick` about a minute, `full` for publication. */
export type Scale = 'quick' | 'default' | 'full'

/** What a workload may ask of the run it is part of. */
export interface BenchContext {
  readonly scale: Scale
  /** Programs or files that the user gave as further arms: `--arm coredns=/path/to/coredns`. */
  readonly givenArms: ReadonlyMap<string, string>
  /** Words for the progress line. */
  readonly say: (text: string) => void
}

/** One way of doing what is measured. A measurement returns one sample of each metric of the case, in the metric's unit. */
export interface Arm {
  readonly name: string
  measure(signal: AbortSignal): Promise<Readonly<Record<string, number>>>
}

/** What a case has made on the machine: its arms, and how to take everything away again. */
export interface PreparedCase {
  readonly arms: readonly Arm[]
  /** Arms that this machine cannot run, with the reason: shown, never silent. */
  readonly missing?: readonly { readonly arm: string; readonly why: string }[]
  close(): Promise<void>
}

/** Arms that are compared with each other in the same rounds, and in nothing else. */
export interface BenchCase {
  /** Unique in its workload: `ADD`, `one change`. */
  readonly name: string
  /** The part of the workload that it belongs to, of those that the workload names. */
  readonly part?: string
  /** What the case was sized by, for plots: `{ services: 10000 }`. */
  readonly parameters?: Readonly<Record<string, string | number>>
  readonly metrics: readonly MetricRecord[]
  /** The arm that the others are a ratio of. It is measured a second time each round as the null arm. */
  readonly baseline: string
  /** Measured rounds; without it the scale decides. */
  readonly rounds?: number
  /** Makes what the arms need. What fails halfway takes away what it made. */
  prepare(context: BenchContext, signal: AbortSignal): Promise<PreparedCase>
}

/** One subject of `podwire bench`. */
export interface Workload {
  readonly name: string
  /** One line for `podwire bench --help`. */
  readonly summary: string
  /** Parts that may be run alone, `--NAME`, with a line for the help each. */
  readonly parts?: Readonly<Record<string, string>>
  /** The cases in the order in which they run. */
  cases(context: BenchContext): readonly BenchCase[]
}

/** A metric that is a time or a rate: it differs from run to run. */
export const timed = (name: string, unit: string, better: 'lower' | 'higher' = 'lower'): MetricRecord => ({
  name,
  unit,
  better,
  isDeterministic: false,
})

/** A metric that is a count and the same in every run. */
export const counted = (name: string, unit: string, better: 'lower' | 'higher' = 'lower'): MetricRecord => ({
  name,
  unit,
  better,
  isDeterministic: true,
})
