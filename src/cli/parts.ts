import type { BenchRecord } from '../base/results/bench-record.js'
import type { FlowRecord, RunRecord } from '../base/results/run-record.js'
import type { ComparedMetric } from '../bench/compare-records.js'
import type { RunWorkloadOptions } from '../bench/run-workload.js'
import type { Workload } from '../bench/workload.js'
import type { Client } from '../client/client.js'
import type { CaseOutcome, ConformanceOptions } from '../cni-conformance/run-conformance.js'
import type { Lab, UpOptions, UpReport } from '../lab/lab.js'
import type { LabSpec } from '../lab/lab-spec.js'
import type { RunDifference } from '../report/diff-runs.js'
import type { Terminal } from './terminal.js'

/** What a run of flows needs. */
export interface FlowRunOptions {
  readonly lab: Lab
  readonly client: Client
  /** Flow files and folders of them. */
  readonly files: readonly string[]
  /** Where the pcapng goes. */
  readonly outDir: string
  /** Called as each flow begins. */
  readonly onFlow?: (name: string) => void
}

/** What is verified of a lab. */
export interface VerifyOptions extends Omit<FlowRunOptions, 'files'> {
  /** Only Pods and Services of this namespace. */
  readonly namespace: string | undefined
  readonly family: 4 | 6
}

export interface VerifyReport {
  readonly record: RunRecord
  /** What was not asked, and why. */
  readonly leftOut: readonly string[]
}

/** One packet that `trace` or `why` is asked about. */
export interface AskedOptions extends Omit<FlowRunOptions, 'files' | 'onFlow'> {
  readonly question: {
    readonly from: string
    readonly to: string
    readonly namespace: string
    readonly protocol: 'tcp' | 'udp' | 'icmp'
    readonly family: 'IPv4' | 'IPv6'
    readonly size?: number | 'mtu'
  }
}

/** A lesson in a few words. */
export interface LessonSummary {
  readonly name: string
  readonly title: string
  readonly part: string
  readonly story: string
  readonly hint: string
  readonly namespace: string
  /** As `why` is asked. */
  readonly from: string
  readonly to: string
}

export interface LessonOptions extends Omit<FlowRunOptions, 'files' | 'onFlow'> {
  readonly folder: string
  readonly name: string
  readonly onLook: (flow: FlowRecord) => void
  readonly onHint: () => void
}

/** What the live page is of. */
export interface UiOptions {
  readonly lab: Lab
  readonly client: Client
  /** On 127.0.0.1; 0 takes one that is free. */
  readonly port: number
  /** Called once the page can be opened. */
  readonly onListening: (url: string) => void
}

/** What `podwire agent --only proxy` was told; it counts more than the configuration file. */
export interface ProxyAgentOptions {
  readonly configFile?: string
  readonly kubeconfig?: string
  readonly hostnameOverride?: string
  readonly mode?: string
  readonly clusterCidr?: string
  readonly cleanup: boolean
}

/** What `podwire agent --only netpol` was told. */
export interface PolicyAgentOptions {
  readonly kubeconfig?: string
  readonly hostnameOverride?: string
  readonly mode?: 'nftables' | 'iptables'
  readonly cleanup: boolean
}

/** The rooms below, as the commands call them; bin/podwire.ts wires them, tests hand over others. */
export interface Parts {
  readonly terminal: Terminal
  /** The checkout: examples/ and flows/ are here. */
  readonly root: string
  readonly version: string
  defaultLab(name: string): LabSpec
  /** `file` stands in error messages. */
  parseLab(text: string, file: string): LabSpec
  upLab(spec: LabSpec, options: UpOptions): Promise<UpReport>
  /** True when there was something to remove. */
  downLab(name: string, signal: AbortSignal): Promise<boolean>
  findLab(name: string): Promise<Lab | undefined>
  listLabs(): readonly string[]
  /** Files with the server's own words, newest last. */
  serverLogs(name: string): readonly string[]
  connect(kubeconfig: string): Client
  /** Applies every object of the manifests (files or folders), in an order in which they can be. */
  applyManifests(client: Client, paths: readonly string[], signal: AbortSignal): Promise<void>
  importImage(lab: Lab, tarFile: string, signal: AbortSignal): Promise<readonly string[]>
  runFlows(options: FlowRunOptions, signal: AbortSignal): Promise<RunRecord>
  /** Predicts and proves who reaches whom. */
  verify(options: VerifyOptions, signal: AbortSignal): Promise<VerifyReport>
  /** Sends one packet and explains its hops. */
  traceFlow(options: AskedOptions, signal: AbortSignal): Promise<FlowRecord>
  /** The same, with why it ended as it did. */
  whyFlow(options: AskedOptions, signal: AbortSignal): Promise<FlowRecord>
  /** The presets of flow files written out for this lab. */
  explainFlows(options: Omit<FlowRunOptions, 'outDir' | 'onFlow'>, signal: AbortSignal): Promise<string>
  /** A flow file that expects what was seen of one packet. */
  recordFlow(options: AskedOptions, signal: AbortSignal): Promise<string>
  /** Tells of every conversation that passes, once it was answered or waited too long; until the signal aborts. */
  watchFlows(
    options: { readonly lab: Lab; readonly client: Client; readonly onFlow: (flow: FlowRecord) => void },
    signal: AbortSignal,
  ): Promise<void>
  diffRuns(good: RunRecord, bad: RunRecord): RunDifference
  listLessons(folder: string): Promise<readonly LessonSummary[]>
  /** Breaks the lab and waits until it is mended; the flow as it failed. */
  runLesson(options: LessonOptions, signal: AbortSignal): Promise<FlowRecord>
  /** Serves the live page until the signal aborts. */
  runUi(options: UiOptions, signal: AbortSignal): Promise<void>
  /** The subjects of `podwire bench`. */
  readonly workloads: readonly Workload[]
  runWorkload(options: RunWorkloadOptions, signal: AbortSignal): Promise<BenchRecord>
  /** A CNI plugin through the rules of the specification. */
  runConformance(options: ConformanceOptions, signal: AbortSignal): Promise<readonly CaseOutcome[]>
  renderReport(record: RunRecord): string
  /** Two runs as one page. */
  renderDiff(good: RunRecord, bad: RunRecord): string
  /** A run of `bench` as a page of plots. */
  renderBenchmark(record: BenchRecord): string
  compareRecords(old: BenchRecord, now: BenchRecord): readonly ComparedMetric[]
  benchCsv(record: BenchRecord): string
  /** An SVG file of its own. */
  renderLadder(flow: FlowRecord): string
  /** One part of an agent by itself, for a cluster that somebody else runs; returns when the signal aborts. */
  runProxyAgent(options: ProxyAgentOptions, signal: AbortSignal): Promise<void>
  runPolicyAgent(options: PolicyAgentOptions, signal: AbortSignal): Promise<void>
  /** The findings of `podwire doctor`, printed; returns the exit status. */
  doctor(args: readonly string[]): Promise<number>
}
