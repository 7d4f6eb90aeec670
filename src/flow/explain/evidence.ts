import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import type { Client } from '../../client/client.js'
import type { Host } from '../../kernel/host.js'
import type { HookVisit } from '../../kernel/parse-rule-trace.js'
import { type RuleTrace, startRuleTrace } from '../../kernel/rule-trace.js'
import type { FlowSession } from '../flow-session.js'
import type { LabFacts } from '../lab-facts.js'
import type { FlowDocument } from '../parse-flow-file.js'
import { conntrackReader } from '../read-conntrack.js'
import { type FlowParts, type JudgedFlow, judgeFlow, type SentFlow, sendFlow } from '../run-one-flow.js'
import type { Sighting } from '../trace.js'

/** One flow that was sent while captures and the rules of every node told what they saw. */
export interface Evidence {
  readonly client: Client
  readonly document: FlowDocument
  readonly parts: FlowParts
  readonly sent: SentFlow
  readonly judged: JudgedFlow
  /** Node → what its base chains saw of all packets between the ends of the flow, in order. */
  readonly visits: ReadonlyMap<string, readonly HookVisit[]>
  readonly facts: LabFacts
  readonly packetsLost: number
}

/** The pcapng of an explained flow. */
export const pcapngName = 'flow.pcapng'

/** Sends the flow once and gathers what was seen of it. Errors: as `bindTest` when an object is not there, CAPTURE_FAILED. */
export async function gatherEvidence(session: FlowSession, document: FlowDocument, outDir: string): Promise<Evidence> {
  const { signal } = session
  await mkdir(outDir, { recursive: true })
  const parts = await session.prepare(document)
  const { facts } = parts
  const nodes = [...facts.hosts.values()].filter(({ role }) => role === 'node')
  const captures = await session.startCaptures([parts], join(outDir, pcapngName))
  const traces = new Map<string, RuleTrace>()
  const prove = () =>
    Promise.all(nodes.map(({ name, host }) => traces.get(name)?.prove(payload => session.mark(name, host, payload), signal)))
  let packetsLost = 0
  let seen: { result: SentFlow; sightings: readonly Sighting[] }
  try {
    const ends = addressesOf(parts)
    await Promise.all(nodes.map(async ({ name, host }) => traces.set(name, await startRuleTrace(host, ends, signal))))
    await prove()
    seen = await captures.watch(document.test.metadata.name, () => sendFlow(parts, signal), signal)
    await prove()
  } finally {
    await Promise.all([...traces.values()].map(trace => trace.stop()))
    packetsLost = (await captures.stop()).packetsLost
  }
  const { result: sent, sightings } = seen
  const judged = await judgeFlow(parts, sent, { sightings, readConntrack: conntrackReader(signal) })
  return {
    client: session.lab.client,
    document,
    parts,
    sent,
    judged,
    visits: new Map([...traces].map(([name, trace]) => [name, trace.visits()])),
    facts,
    packetsLost,
  }
}

/** Every address that the packet or its answer may bear: the ends, the Service, its endpoints, and what nodes put in place of a source. */
function addressesOf({ bound, candidates, facts }: FlowParts): readonly string[] {
  const ends = [...bound.bindings.values()].flatMap(each =>
    each.kind === 'service' ? [each.ip, ...each.endpoints.map(({ ip }) => ip)] : [each.ip],
  )
  const nodes = [...facts.hosts.values()].flatMap(({ address, tunnelAddress, bridge, vxlan }) => [
    address,
    tunnelAddress,
    ...(bridge?.addresses ?? []),
    ...(vxlan?.addresses ?? []),
  ])
  return [...ends, ...candidates.map(({ ip }) => ip), ...nodes].filter(ip => ip !== undefined)
}

/** What a tool prints on a host; empty when it failed. */
export async function toolText(host: Host, argv: readonly string[], signal: AbortSignal): Promise<string> {
  const { stdout, exitCode } = await host.run(argv, { allowFailure: true, signal })
  return exitCode === 0 ? stdout : ''
}
