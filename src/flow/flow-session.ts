import { setMaxListeners } from 'node:events'

import { pods } from '../api/generated/resources.js'
import type { IpFamily } from '../base/net/address.js'
import { builtProgram } from '../kernel/built-program.js'
import type { Host } from '../kernel/host.js'
import { type BoundTest, bindTest, boundPod, podAddress } from './bind.js'
import type { BoundPod } from './bound.js'
import { type CaptureRun, captureFilter, startCaptureRun, watchedHost, watchedPod } from './capture-run.js'
import type { FlowHost, FlowLab } from './flow-lab.js'
import { type FactsByFamily, type LabFacts, readLabFacts } from './lab-facts.js'
import type { FlowDocument } from './parse-flow-file.js'
import { type ProberPool, proberPool } from './prober-pool.js'
import type { FlowParts } from './run-one-flow.js'

export interface FlowSessionOptions extends FlowLab {
  /** What runs bin/probe on a host of the lab; this machine's own Node and build when absent. */
  readonly probeArgv?: readonly string[]
}

/** A lab with what flows need in it: a process in each namespace that sends, what was read of its hosts, captures. */
export class FlowSession {
  readonly lab: FlowSessionOptions
  readonly #probers: ProberPool
  #facts: Promise<FactsByFamily> | undefined
  /** Every capture and prober listens to it. */
  readonly signal: AbortSignal

  constructor(lab: FlowSessionOptions, outerSignal: AbortSignal) {
    this.signal = AbortSignal.any([outerSignal])
    setMaxListeners(0, this.signal)
    this.lab = lab
    this.#probers = proberPool(lab.probeArgv ?? [process.execPath, builtProgram('probe.js')], this.signal)
  }

  /** What holds on the hosts, as last read. */
  async facts(family: IpFamily = 4): Promise<LabFacts> {
    this.#facts ??= readLabFacts(this.lab, ({ host }: FlowHost) => this.#probers.of(host.name, host), this.signal)
    return (await this.#facts)[family]
  }

  /** The next look at the facts reads them anew. */
  forgetFacts(): void {
    this.#facts = undefined
  }

  /** Finds the live objects of a flow. Errors: as `bindTest`. */
  async prepare(document: FlowDocument): Promise<FlowParts> {
    const facts = await this.facts(document.test.spec.family === 'IPv6' ? 6 : 4)
    const bound = await bindTest(document.test, this.lab.client, facts, this.signal)
    const candidates = await this.#candidates(bound, facts)
    return { document, bound, facts, candidates, proberOf: client => this.#probers.of(client.key, client.host) }
  }

  /** The Pods that the bound Services may lead to. */
  async #candidates(bound: BoundTest, facts: LabFacts): Promise<readonly BoundPod[]> {
    const services = [...bound.bindings.values()].filter(each => each.kind === 'service')
    const addresses = new Set(services.flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip)))
    if (addresses.size === 0) return []
    const namespaces = new Set(services.map(({ key }) => key.split('/')[0]!))
    const lists = await Promise.all([...namespaces].map(namespace => this.lab.client.list(pods, { namespace }, this.signal)))
    return lists.flatMap(({ items }) =>
      items.filter(pod => addresses.has(podAddress(pod, facts.family) ?? '')).map(pod => boundPod(pod, facts)),
    )
  }

  /** Captures in all hosts' namespaces and those of the Pods of these flows. Errors: CAPTURE_FAILED. */
  startCaptures(flows: readonly FlowParts[], pcapngFile: string): Promise<CaptureRun> {
    const facts = flows.at(-1)?.facts
    const everything = flows.flatMap(({ bound, candidates }) => [...bound.bindings.values(), ...candidates])
    const watchedPods = new Map(everything.flatMap(bound => (bound.kind === 'pod' ? [[bound.key, bound]] : [])))
    const namespaces = [
      ...[...(facts?.hosts.values() ?? [])].map(host => watchedHost(host, this.#probers.of(host.name, host.host))),
      ...[...watchedPods.values()].map(pod => watchedPod(pod, this.#probers.of(pod.key, pod.host))),
    ]
    const filter = captureFilter(
      everything.filter(bound => bound.kind !== 'host' || bound.role === 'external').flatMap(({ ip }) => ip ?? []),
    )
    return startCaptureRun({ namespaces, filter, pcapngFile }, this.signal)
  }

  /** Puts a UDP datagram with this payload on the `lo` of a host. */
  async mark(key: string, host: Host, payload: string): Promise<void> {
    await this.#probers.of(key, host).perform({ do: 'mark', payload }, this.signal)
  }

  close(): Promise<void> {
    return this.#probers.stop()
  }
}

/** Does `work` in a session that is closed at its end. */
export async function withFlowSession<T>(
  lab: FlowSessionOptions,
  signal: AbortSignal,
  work: (session: FlowSession) => Promise<T>,
): Promise<T> {
  const session = new FlowSession(lab, signal)
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}
