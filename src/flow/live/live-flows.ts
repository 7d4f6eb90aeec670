import type { FlowRecord } from '../../base/results/run-record.js'
import { type BoundPod, describeBound } from '../bound.js'
import { correlate, type Exchange } from '../correlate.js'
import type { LabFacts } from '../lab-facts.js'
import { buildLadder } from '../ladder.js'
import type { RoleContext } from '../roles.js'
import type { Sighting } from '../trace.js'

/** What names and roles are read from. */
export interface LiveWorld {
  readonly facts: LabFacts
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, BoundPod>
  /** The Service or Pod that has an address now. */
  nameOf(address: string): string | undefined
}

/** One conversation that was seen to begin. */
export interface LiveFlow {
  readonly id: number
  readonly exchange: Exchange
  readonly startedNs: bigint
  /** The address it was sent from. */
  readonly source: string
}

/** What stands for the file in records of conversations that nobody wrote a test of. */
export const seenLive = 'seen live'

/** So many frames and conversations are kept; what came first goes first. */
const maxSightings = 4_000
const maxFlows = 60

/** Conversations as they pass: each begins with a packet that a Pod or an outside host sends, and fills as more places see it. */
export class LiveFlows {
  #window: Sighting[] = []
  #flows: LiveFlow[] = []
  readonly #byKey = new Map<string, LiveFlow>()
  /** What has arrived at Pods: what they send the other way is an answer, also where the address that was asked is a Service's. */
  readonly #arrived = new Set<string>()
  #packets = 0

  /** All that were seen since the beginning, also those that are forgotten. */
  get packets(): number {
    return this.#packets
  }

  /** Newest first. */
  get flows(): readonly LiveFlow[] {
    return this.#flows.toReversed()
  }

  see(sighting: Sighting, world: Pick<LiveWorld, 'facts'>): void {
    this.#packets++
    this.#window.push(sighting)
    if (this.#window.length > 2 * maxSightings) this.#window = this.#window.slice(-maxSightings)
    if (sighting.place?.ownerKind === 'pod' && sighting.dir === 'in') this.#noteArrival(keyOf(sighting))
    const exchange = beginning(sighting, world)
    if (exchange === undefined) return
    const key = keyOf(sighting)
    const opposite = turnedRound(sighting)
    if (this.#byKey.has(key) || this.#byKey.has(opposite) || this.#arrived.has(opposite)) return
    const flow = { id: this.#packets, exchange, startedNs: sighting.timeNs, source: sighting.headers.src ?? '' }
    this.#flows.push(flow)
    this.#byKey.set(key, flow)
    if (this.#flows.length > 2 * maxFlows) this.#forget()
  }

  #noteArrival(key: string): void {
    // At its end: what was asked long ago is forgotten first.
    this.#arrived.delete(key)
    this.#arrived.add(key)
    if (this.#arrived.size > maxSightings) for (const oldest of this.#arrived) return void this.#arrived.delete(oldest)
  }

  #forget(): void {
    this.#flows = this.#flows.slice(-maxFlows)
    for (const [key, flow] of this.#byKey) if (!this.#flows.includes(flow)) this.#byKey.delete(key)
  }

  /** What has been seen of a conversation until now. */
  recordOf({ exchange, startedNs, source }: LiveFlow, world: LiveWorld): FlowRecord {
    const sightings = this.#window.filter(({ timeNs }) => timeNs >= startedNs)
    const { attempts, reply } = correlate(sightings, exchange)
    const bindings = new Map<string, BoundPod>()
    const client = world.pods.get(exchange.sender)
    if (client !== undefined) bindings.set('client', client)
    const server = (attempts.at(-1) ?? []).map(({ owner }) => world.pods.get(owner)).findLast(pod => pod !== undefined)
    if (server !== undefined && server !== client) bindings.set('server', server)
    const context: RoleContext = { bindings, facts: world.facts }
    const trace = { attempts: attempts.slice(-1), reply, all: [], conntrack: [] }
    const { outcome, verdict, reason } = endingOf(reply, attempts.length)
    const { protocol, target, targetPort, sender } = exchange
    const port = targetPort === undefined ? '' : `:${targetPort}`
    return {
      name: `${sender} → ${world.nameOf(target) ?? target}${port}`,
      file: seenLive,
      verdict,
      ...(reason !== undefined && { reason }),
      durationMs: Number((reply.at(-1)?.timeNs ?? startedNs) - startedNs) / 1e6,
      bound: Object.fromEntries([...bindings].map(([alias, bound]) => [alias, describeBound(bound)])),
      sent: `${protocol} ${source} → ${target}${port}`,
      outcome,
      ladder: buildLadder([trace], { legs: [], forbidden: [], findings: [] }, context),
      conntrack: [],
      findings: [],
    }
  }
}

/** Echo requests of ICMP and ICMPv6 (RFC 792, RFC 4443). */
const echoRequests = { icmp: 8, icmpv6: 128 } as const

/** The exchange that a packet begins; undefined when it belongs to one, or when it is forwarded here and not sent. */
function beginning({ place, owner, dir, subject, headers }: Sighting, { facts }: Pick<LiveWorld, 'facts'>): Exchange | undefined {
  const isSender = (place?.ownerKind === 'pod' && place.port === 'eth0') || facts.hosts.get(owner)?.role === 'external'
  const { transport } = subject
  if (!isSender || dir !== 'out' || headers.dst === undefined || transport === undefined) return undefined
  const common = { sender: owner, target: headers.dst }
  switch (transport.kind) {
    case 'tcp':
      return transport.flags === 'SYN'
        ? { ...common, protocol: 'tcp', targetPort: transport.dport, sourcePort: transport.sport }
        : undefined
    case 'udp':
      return { ...common, protocol: 'udp', targetPort: transport.dport, sourcePort: transport.sport }
    case 'icmp':
    case 'icmpv6':
      return transport.type === echoRequests[transport.kind]
        ? { ...common, protocol: transport.kind, size: subject.payloadLength }
        : undefined
    default:
      return undefined
  }
}

const keyOf = ({ headers: { proto, src, sport, dst, dport } }: Sighting): string => `${proto} ${src} ${sport} ${dst} ${dport}`
const turnedRound = ({ headers: { proto, src, sport, dst, dport } }: Sighting): string => `${proto} ${dst} ${dport} ${src} ${sport}`

function endingOf(reply: readonly Sighting[], times: number): Pick<FlowRecord, 'outcome' | 'verdict' | 'reason'> {
  const transport = reply[0]?.subject.transport
  if (transport === undefined) {
    const sent = times > 1 ? `sent ${times} times, ` : ''
    return { outcome: 'no answer yet', verdict: 'warn', reason: `${sent}no answer yet` }
  }
  if (transport.kind === 'tcp' && transport.flags.startsWith('RST')) return { outcome: 'refused', verdict: 'warn', reason: 'refused' }
  if ((transport.kind === 'icmp' || transport.kind === 'icmpv6') && transport.quoted)
    return { outcome: 'rejected by ICMP', verdict: 'warn', reason: 'rejected by ICMP' }
  return { outcome: 'answered', verdict: 'pass' }
}
