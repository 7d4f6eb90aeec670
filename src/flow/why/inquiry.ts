import type { CauseRecord } from '../../base/results/run-record.js'
import type { HookVisit } from '../../kernel/parse-rule-trace.js'
import { nodeOfBound } from '../bind.js'
import type { Bound, BoundHost, BoundPod, BoundService } from '../bound.js'
import { type Evidence, toolText } from '../explain/evidence.js'
import type { ExplainedFlow } from '../explain/explain-flow.js'
import { visitsOf } from '../explain/explain-hops.js'
import type { ObjectNames } from '../explain/object-names.js'
import { type TableLookups, tableLookups } from '../explain/table-lookups.js'
import type { HostFacts } from '../lab-facts.js'
import type { Sighting } from '../trace.js'

/** A flow that did not go as it should, with all that finders of causes look at. */
export interface Inquiry {
  readonly evidence: Evidence
  readonly names: ObjectNames
  readonly lookups: TableLookups
  readonly outcome: string
  readonly client: BoundPod | BoundHost
  /** The Pod that takes it: addressed, or the endpoint that was reached. */
  readonly server: BoundPod | undefined
  readonly service: BoundService | undefined
  readonly door: BoundHost | undefined
  /** The places that saw the first packet, in order. */
  readonly path: readonly Sighting[]
  /** The places that saw the answer. */
  readonly reply: readonly Sighting[]
  /** Where what was sent or answered was seen last. */
  readonly last: Sighting | undefined
  readonly signal: AbortSignal
}

/** Looks for one kind of cause. */
export type FindCause = (inquiry: Inquiry) => Promise<CauseRecord | undefined> | CauseRecord | undefined

export function buildInquiry({ evidence, names, record }: ExplainedFlow, signal: AbortSignal): Inquiry {
  const { bindings } = evidence.judged.context
  const bound = (alias: string): Bound | undefined => bindings.get(alias)
  const [client, server, service, door] = ['client', 'server', 'svc', 'door'].map(bound)
  const trace = evidence.judged.traces[0]
  const path = trace?.attempts[0] ?? []
  const reply = trace?.reply ?? []
  return {
    evidence,
    names,
    lookups: tableLookups(evidence.facts, signal),
    outcome: record.outcome,
    client: client as BoundPod | BoundHost,
    server: server?.kind === 'pod' ? server : undefined,
    service: service?.kind === 'service' ? service : undefined,
    door: door?.kind === 'host' ? door : undefined,
    path,
    reply,
    last: reply.at(-1) ?? path.findLast(isOnTheWay(bindings.values())),
    signal,
  }
}

/** A segment floods a frame whose receiver it does not know: who is no part of the flow sees it too. */
function isOnTheWay(bound: Iterable<Bound>): (sighting: Sighting) => boolean {
  const hosts = new Set([...bound].map(each => nodeOfBound(each) ?? each.key))
  return ({ host, dir, place }) => hosts.has(host) || dir === 'out' || place?.port !== 'uplink'
}

/** The node on which something was last seen, when it was one. */
export const nodeOf = ({ evidence }: Inquiry, sighting: Sighting | undefined): HostFacts | undefined => {
  const host = sighting === undefined ? undefined : evidence.facts.hosts.get(sighting.host)
  return host?.role === 'node' ? host : undefined
}

/** The node whose own interface saw the packet come in last, and from which it did not go on. */
export function swallowedOn(inquiry: Inquiry): HostFacts | undefined {
  const { last } = inquiry
  const node = nodeOf(inquiry, last)
  return last?.dir === 'in' && last.owner === node?.name ? node : undefined
}

/** A value of /proc/sys of a host; empty when there is none. */
export const sysctlOf = async ({ signal }: Inquiry, { host }: Pick<HostFacts, 'host'>, name: string): Promise<string> =>
  (await toolText(host, ['cat', `/proc/sys/${name.replaceAll('.', '/')}`], signal)).trim()

interface Link {
  readonly ifname: string
  readonly flags: readonly string[]
  readonly mtu: number
  readonly master?: string
  readonly address?: string
  readonly linkinfo?: { readonly info_slave_data?: { readonly hairpin?: boolean; readonly isolated?: boolean } }
}

/** The links of a namespace as they are now, by name. */
export async function linksOf({ signal }: Inquiry, { host }: Pick<HostFacts, 'host'>): Promise<ReadonlyMap<string, Link>> {
  const text = await toolText(host, ['ip', '-j', '-d', 'link'], signal)
  return new Map(text === '' ? [] : (JSON.parse(text) as Link[]).map(link => [link.ifname, link]))
}

/** What the base chains of a node saw of the packet, or of its answer. */
export function visitsOn({ evidence, path, reply }: Inquiry, node: string, leg: 'path' | 'reply'): readonly HookVisit[] {
  const [first] = leg === 'path' ? path : reply
  return first === undefined ? [] : visitsOf(evidence.visits.get(node) ?? [], first)
}

/** Where the packet (or its answer) wants to go from a node: what it was translated to there, else its destination. */
export function destinationOn(inquiry: Inquiry, node: HostFacts, leg: 'path' | 'reply'): string | undefined {
  const seen = leg === 'path' ? inquiry.path : inquiry.reply
  return visitsOn(inquiry, node.name, leg).at(-1)?.packet.dst ?? seen.at(-1)?.headers.dst
}

/** What was lost: the packet itself, or its answer. */
export const lostLeg = ({ reply }: Inquiry): 'path' | 'reply' => (reply.length > 0 ? 'reply' : 'path')
