import { ipOf, type Packet } from '../base/net/packet.js'
import type { Direction, Headers, OuterHeaders, Place } from '../base/net/path.js'
import type { ConntrackRecord } from '../base/results/run-record.js'

/** One frame at one interface of one namespace. */
export interface Sighting {
  /** Undefined for interfaces that no role names. */
  readonly place: Place | undefined
  /** The host or Pod whose namespace was captured, and the interface's real name. */
  readonly owner: string
  /** The host on which the owner lives. */
  readonly host: string
  readonly interface: string
  readonly dir: Direction
  readonly timeNs: bigint
  /** Order within the capture of its namespace. */
  readonly sequence: number
  /** Number of the frame in the run's pcapng. */
  readonly frame: number
  /** The packet of the flow: what a tunnel carries, when it is in one. */
  readonly subject: Packet
  readonly headers: Headers
}

/** All that was seen of one exchange. */
export interface Trace {
  /** Each time the first packet was sent (retransmissions follow), the places that saw it, in order. */
  readonly attempts: readonly (readonly Sighting[])[]
  /** The places that saw the answer, in order. */
  readonly reply: readonly Sighting[]
  /** Everything that the captures saw meanwhile. */
  readonly all: readonly Sighting[]
  readonly conntrack: readonly ConntrackRecord[]
}

/** The headers that assertions name. Of the Ethernet addresses a cooked capture shows the source only, and inside a tunnel both. */
export function headersOf(packet: Packet): Headers {
  const subject = packet.vxlan?.inner ?? packet
  const ip = ipOf(subject)
  const { transport, link } = subject
  const hasPorts = transport?.kind === 'tcp' || transport?.kind === 'udp'
  return {
    ...(ip && { src: ip.src, dst: ip.dst, ttl: ip.ttl }),
    ...(transport && { proto: transport.kind }),
    ...(hasPorts && { sport: transport.sport, dport: transport.dport }),
    ...(transport?.kind === 'tcp' && { flags: transport.flags }),
    ...(link.src !== '' && { ethSrc: link.src }),
    ...(link.kind === 'ethernet' && link.dst !== '' && { ethDst: link.dst }),
    ...(packet.vxlan && { outer: outerOf(packet, packet.vxlan.vni) }),
  }
}

function outerOf(packet: Packet, vni: number): OuterHeaders {
  const ip = ipOf(packet)
  const dport = packet.transport?.kind === 'udp' ? packet.transport.dport : undefined
  return { proto: 'udp', vni, ...(ip && { src: ip.src, dst: ip.dst, ttl: ip.ttl }), ...(dport !== undefined && { dport }) }
}

/** In time; what one capture saw at the same instant stays in its order. Right where all captures share a clock. */
export const inOrder = <T extends Sighting>(sightings: readonly T[]): readonly T[] =>
  sightings.toSorted((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : a.owner === b.owner ? a.sequence - b.sequence : 0))
