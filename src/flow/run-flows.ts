import { setMaxListeners } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { cpus, release } from 'node:os'
import { join } from 'node:path'

import { pods } from '../api/generated/resources.js'
import { PodwireError } from '../base/errors/podwire-error.js'
import type { Finding, FlowRecord, RunRecord, Verdict } from '../base/results/run-record.js'
import { systemClock } from '../base/time/clock.js'
import { builtProgram } from '../kernel/built-program.js'
import type { Host } from '../kernel/host.js'
import { applyGiven } from './apply-given.js'
import { type BoundTest, bindTest, boundPod } from './bind.js'
import { type BoundPod, describeBound } from './bound.js'
import { type CaptureRun, captureFilter, startCaptureRun, watchedHost, watchedPod } from './capture-run.js'
import type { FlowHost, FlowLab } from './flow-lab.js'
import { type LabFacts, readLabFacts } from './lab-facts.js'
import { buildLadder } from './ladder.js'
import type { FlowDocument } from './parse-flow-file.js'
import { type Prober, startProber } from './prober.js'
import { readFlowFiles } from './read-flow-files.js'
import { type FlowParts, judgeFlow, outcomeOf, type SentFlow, sendFlow } from './run-one-flow.js'

export interface FlowRunOptions extends FlowLab {
  /** Flow files, and folders of them. */
  readonly files: readonly string[]
  /** Where `flows.pcapng` goes; made if it is not there. */
  readonly outDir: string
  /** What runs bin/probe on a host of the lab; this machine's own Node and build when absent. */
  readonly probeArgv?: readonly string[]
  /** How long a flow is tried until it ends as expected; nothing tells when every node has programmed a change. */
  readonly settleMs?: number
  /** Called as each flow begins. */
  readonly onFlow?: (name: string) => void
}

/** The name of the capture beside results.json. */
const pcapngName = 'flows.pcapng'
const defaultSettleMs = 10_000
const settleIntervalMs = 200

/**
 * Sends every flow twice, first unwatched and then with captures in all namespaces on its way, and compares what was seen with what must be.
 * Errors: CONFIG_INVALID and NOT_FOUND for the files; what the manifests under `given` meet; ABORTED. What goes wrong with one flow is its verdict.
 */
export async function runFlows(options: FlowRunOptions, outerSignal: AbortSignal): Promise<RunRecord> {
  // Every capture and prober listens to it.
  const signal = AbortSignal.any([outerSignal])
  setMaxListeners(0, signal)
  const { files, hosts, client, lab, outDir, onFlow } = options
  const started = Date.now()
  const documents = await readFlowFiles(files)
  await mkdir(outDir, { recursive: true })
  const probers = proberPool(options.probeArgv ?? [process.execPath, builtProgram('probe.js')], signal)
  try {
    await applyGiven(documents, client, signal)
    const run = new FlowRun(options, probers, signal)
    for (const document of documents) {
      onFlow?.(document.test.metadata.name)
      await run.sendUnwatched(document)
    }
    const { records, packetsLost } = await run.sendWatched(join(outDir, pcapngName), onFlow)
    return {
      format: 'podwire.dev/run/v1',
      startedAt: new Date(started).toISOString(),
      durationMs: Date.now() - started,
      lab: {
        name: lab.name,
        substrate: lab.substrate,
        datapath: lab.datapath,
        proxy: lab.proxy,
        nodes: hosts.filter(({ role }) => role === 'node').map(({ host }) => host.name),
      },
      machine: { kernel: release(), node: process.version, cpus: cpus().length },
      pcapng: pcapngName,
      packetsLost,
      flows: [...records],
    }
  } finally {
    await probers.stop()
  }
}

/** One prober a namespace, started when it is first needed. */
interface ProberPool {
  of(key: string, host: Host): Prober
  stop(): Promise<void>
}

function proberPool(argv: readonly string[], signal: AbortSignal): ProberPool {
  const probers = new Map<string, Prober>()
  return {
    of(key, host) {
      const known = probers.get(key)
      if (known !== undefined) return known
      const prober = startProber(host, argv, signal)
      probers.set(key, prober)
      return prober
    },
    async stop() {
      await Promise.all([...probers.values()].map(prober => prober.stop()))
    },
  }
}

/** A flow between its two sendings. */
interface Prepared {
  readonly document: FlowDocument
  /** Spent on sending it unwatched. */
  readonly unwatchedMs: number
  /** Why it is not sent again; the verdict is then settled. */
  readonly settled: { readonly verdict: Verdict; readonly reason: string } | undefined
  readonly parts: FlowParts | undefined
  readonly outcomeUnwatched: string | undefined
}

/** The flows of one run, sent first without and then with captures. */
class FlowRun {
  readonly #options: FlowRunOptions
  readonly #probers: ProberPool
  readonly #signal: AbortSignal
  readonly #prepared: Prepared[] = []

  constructor(options: FlowRunOptions, probers: ProberPool, signal: AbortSignal) {
    this.#options = options
    this.#probers = probers
    this.#signal = signal
  }

  /** Binds and sends a flow until it ends as its file says, or the time for that is over. */
  async sendUnwatched(document: FlowDocument): Promise<void> {
    const startedAt = Date.now()
    const missing = lacking(document, this.#options)
    if (missing !== undefined) {
      this.#prepared.push({
        document,
        unwatchedMs: 0,
        settled: { verdict: 'skip', reason: missing },
        parts: undefined,
        outcomeUnwatched: undefined,
      })
      return
    }
    for (;;) {
      const { parts, sent, error } = await this.#try(document)
      const outcome = sent && outcomeOf(sent, document.test.spec.expect.outcome)
      const isDone = sent !== undefined && isAsExpected(document, sent)
      if (isDone || Date.now() - startedAt > (this.#options.settleMs ?? defaultSettleMs)) {
        const settled = error === undefined ? undefined : ({ verdict: 'error', reason: messageOf(error) } as const)
        this.#prepared.push({ document, unwatchedMs: Date.now() - startedAt, settled, parts, outcomeUnwatched: outcome })
        return
      }
      await systemClock.sleep(settleIntervalMs, this.#signal)
    }
  }

  async #try(document: FlowDocument): Promise<{ parts?: FlowParts; sent?: SentFlow; error?: unknown }> {
    try {
      const facts = await this.#facts()
      const bound = await bindTest(document.test, this.#options.client, facts, this.#signal)
      const candidates = await this.#candidates(bound, facts)
      const parts: FlowParts = { document, bound, facts, candidates, proberOf: client => this.#probers.of(client.key, client.host) }
      return { parts, sent: await sendFlow(parts, this.#signal) }
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof PodwireError)) throw error
      return { error }
    }
  }

  #facts(): Promise<LabFacts> {
    return readLabFacts(this.#options, ({ host }: FlowHost) => this.#probers.of(host.name, host), this.#signal)
  }

  /** The Pods that the bound Services may lead to. */
  async #candidates(bound: BoundTest, facts: LabFacts): Promise<readonly BoundPod[]> {
    const services = [...bound.bindings.values()].filter(each => each.kind === 'service')
    const addresses = new Set(services.flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip)))
    if (addresses.size === 0) return []
    const namespaces = new Set(services.map(({ key }) => key.split('/')[0]!))
    const lists = await Promise.all([...namespaces].map(namespace => this.#options.client.list(pods, { namespace }, this.#signal)))
    return lists.flatMap(({ items }) => items.filter(({ status }) => addresses.has(status?.podIP ?? '')).map(pod => boundPod(pod, facts)))
  }

  /** Starts the captures, sends every flow again and compares. */
  async sendWatched(
    pcapngFile: string,
    onFlow: FlowRunOptions['onFlow'],
  ): Promise<{ records: readonly FlowRecord[]; packetsLost: number }> {
    const records: FlowRecord[] = []
    let captures: CaptureRun | undefined
    let captureError: unknown
    try {
      captures = await this.#startCaptures(pcapngFile)
    } catch (error) {
      if (this.#signal.aborted) throw error
      captureError = error
    }
    try {
      for (const prepared of this.#prepared) {
        onFlow?.(prepared.document.test.metadata.name)
        records.push(await this.#recordWatched(prepared, captures, captureError))
      }
    } finally {
      if (captures !== undefined) this.#lost = (await captures.stop()).packetsLost
    }
    return { records, packetsLost: this.#lost }
  }

  #lost = 0

  #startCaptures(pcapngFile: string): Promise<CaptureRun> {
    const sendable = this.#prepared.flatMap(({ parts }) => parts ?? [])
    const facts = sendable.at(-1)?.facts
    const everything = sendable.flatMap(({ bound, candidates }) => [...bound.bindings.values(), ...candidates])
    const watchedPods = new Map(everything.flatMap(bound => (bound.kind === 'pod' ? [[bound.key, bound]] : [])))
    const namespaces = [
      ...[...(facts?.hosts.values() ?? [])].map(host => watchedHost(host, this.#probers.of(host.name, host.host))),
      ...[...watchedPods.values()].map(pod => watchedPod(pod, this.#probers.of(pod.key, pod.host))),
    ]
    const filter = captureFilter(
      everything.filter(bound => bound.kind !== 'host' || bound.role === 'external').flatMap(({ ip }) => ip ?? []),
    )
    return startCaptureRun({ namespaces, filter, pcapngFile }, this.#signal)
  }

  async #recordWatched(
    { document, unwatchedMs, settled, parts, outcomeUnwatched }: Prepared,
    captures: CaptureRun | undefined,
    captureError: unknown,
  ): Promise<FlowRecord> {
    const base = { ...identityOf(document), sent: '', outcome: 'not sent', bound: {}, ladder: [], conntrack: [], findings: [] }
    const startedAt = Date.now()
    const end = (): number => unwatchedMs + Date.now() - startedAt
    if (settled !== undefined) return { ...base, ...settled, durationMs: end() }
    if (captures === undefined || parts === undefined)
      return { ...base, verdict: 'error', reason: messageOf(captureError), durationMs: end() }
    try {
      const { name } = document.test.metadata
      const { result: sent, sightings } = await captures.watch(name, () => sendFlow(parts, this.#signal), this.#signal)
      const outcome = outcomeOf(sent, document.test.spec.expect.outcome)
      const common = { ...base, outcome, sent: sentText(sent), ...(outcomeUnwatched !== undefined && { outcomeUnwatched }) }
      if (sent.controlFailure !== undefined) {
        return { ...common, verdict: 'error', reason: sent.controlFailure, bound: boundText(parts.bound.bindings), durationMs: end() }
      }
      const { findings, judgement, traces, context } = await judgeFlow(parts, sent, sightings, this.#signal)
      const all = [...findings, ...watchedOtherwise(outcome, outcomeUnwatched)]
      const verdict = verdictOf(all)
      return {
        ...common,
        verdict,
        ...(verdict !== 'pass' && { reason: all[0]!.message }),
        bound: boundText(context.bindings),
        ladder: buildLadder(traces, judgement, context),
        conntrack: traces.flatMap(({ conntrack }) => [...conntrack]),
        findings: all,
        durationMs: end(),
      }
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof PodwireError)) throw error
      return { ...base, verdict: 'error', reason: messageOf(error), bound: boundText(parts.bound.bindings), durationMs: end() }
    }
  }
}

const identityOf = ({ file, test }: FlowDocument) => ({
  name: test.metadata.name,
  file,
  ...(test.metadata.description !== undefined && { description: test.metadata.description }),
})

const boundText = (bindings: BoundTest['bindings']): Record<string, string> =>
  Object.fromEntries([...bindings].map(([alias, bound]) => [alias, describeBound(bound)]))

const sentText = ({ rounds }: SentFlow): string => {
  const text = (rounds[0] ?? []).map(({ planned }) => planned.text).join(', then ')
  return rounds.length > 1 ? `${rounds.length} × ${text}` : text
}

const isAsExpected = (document: FlowDocument, sent: SentFlow): boolean => {
  const { outcome } = document.test.spec.expect
  const ended = outcomeOf(sent, outcome)
  if (typeof outcome === 'string') return ended === outcome
  const isSilent = 'dropped' in outcome || outcome.rejected.with === 'icmp-fragmentation-needed'
  return (isSilent ? ['timeout'] : ['refused', 'unreachable', 'reset']).includes(ended)
}

/** What the test requires and the lab is not; undefined when it can run. */
function lacking({ test }: FlowDocument, { hosts, lab }: FlowRunOptions): string | undefined {
  const { nodes = 0, cni, proxy, policy, segments = 1 } = test.spec.requires ?? {}
  const nodeCount = hosts.filter(({ role }) => role === 'node').length
  if (nodeCount < nodes) return `it needs ${nodes} nodes; the lab has ${nodeCount}`
  const { segments: present = 1 } = lab
  if (present < segments) return `it needs an underlay of ${segments} segments; the lab has ${present}`
  if (cni !== undefined && !cni.includes(lab.datapath)) return `it is about ${cni.join(', ')}; the lab's datapath is ${lab.datapath}`
  if (proxy !== undefined && !proxy.includes(lab.proxy)) return `it is about ${proxy.join(', ')}; the lab's proxy is ${lab.proxy}`
  return policy ? 'it needs network policy; the lab has none' : undefined
}

const watchedOtherwise = (watched: string, unwatched: string | undefined): Finding[] =>
  unwatched === undefined || unwatched === watched
    ? []
    : [
        {
          severity: 'fail',
          message: `without captures it ended ${unwatched}, with them ${watched}: watching changed it, or the lab was not at rest`,
        },
      ]

function verdictOf(findings: readonly Finding[]): Verdict {
  for (const severity of ['fail', 'error', 'warn'] as const) if (findings.some(finding => finding.severity === severity)) return severity
  return 'pass'
}

const messageOf = (error: unknown): string =>
  error instanceof PodwireError ? `${error.code} ${error.message}${error.hint ? ` (${error.hint})` : ''}` : String(error)
