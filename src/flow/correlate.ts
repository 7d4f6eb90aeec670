import { ipOf, type Packet } from '../base/net/packet.js'
import { inOrder, type Sighting } from './trace.js'

/** What is known of an exchange by its sender. */
export interface Exchange {
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'icmpv6'
  /** The Pod or host that sent. */
  readonly sender: string
  /** The address it sent to. */
  readonly target: string
  /** Absent for ICMP. A control may have sent from the same port to another. */
  readonly targetPort?: number | undefined
  /** Absent for ICMP. */
  readonly sourcePort?: number | undefined
  /** Of ICMP: the bytes sent, which tell a flow from its control. */
  readonly size?: number | undefined
}

/**
 * Finds the first packet of an exchange and its answer at every place, through address translation and tunnels, by what neither alters: of TCP
 * the sequence number, flags and length; of UDP and ICMP the payload, which is unlike any other; of an ICMP error its IP
 * identification, of ICMPv6 the flow label of what it quotes.
 */
export function correlate(
  window: readonly Sighting[],
  exchange: Exchange,
): { attempts: readonly (readonly Sighting[])[]; reply: readonly Sighting[] } {
  const all = inOrder(window.filter(({ subject }) => ipOf(subject) !== undefined && subject.transport !== undefined))
  const first = all.find(sighting => isFirst(sighting, exchange))
  if (first === undefined) return { attempts: [], reply: [] }
  const identity = identityOf(first.subject)
  const sent = all.filter(({ subject }) => identityOf(subject) === identity)
  const answer = all.find(sighting => isAnswer(sighting, first, sent, exchange))
  const answerIdentity = answer && identityOf(answer.subject)
  const answers = answer === undefined ? [] : all.filter(({ subject }) => identityOf(subject) === answerIdentity)
  return { attempts: splitAttempts(sent), reply: splitAttempts(answers)[0] ?? [] }
}

/** The sender's own: what arrives at it from others may have the same address to go to. */
const isLeaving = ({ dir, interface: name }: Sighting): boolean => dir === 'out' || name === 'lo'

function isFirst(sighting: Sighting, { protocol, sender, target, targetPort, sourcePort, size }: Exchange): boolean {
  const { owner, subject, headers } = sighting
  const { transport } = subject
  if (!isLeaving(sighting) || owner !== sender || transport?.kind !== protocol || headers.dst !== target) return false
  if (transport.kind === 'tcp' || transport.kind === 'udp') {
    const isFromAndTo = transport.sport === sourcePort && (targetPort === undefined || transport.dport === targetPort)
    return isFromAndTo && (transport.kind === 'udp' || transport.flags === 'SYN')
  }
  return transport.type === echo[transport.kind].request && (size === undefined || subject.payloadLength === size)
}

/** ICMP types of an echo and its answer (RFC 792, RFC 4443). */
const echo = { icmp: { request: 8, reply: 0 }, icmpv6: { request: 128, reply: 129 } } as const

/** So much of a payload tells it from others; a capture cuts a large packet sooner inside a tunnel than outside. */
const comparedBytes = 64
const identityPart = ({ payload }: Packet): string => Buffer.from(payload.subarray(0, comparedBytes)).toString('base64')

function identityOf(packet: Packet): string {
  const { transport, payloadLength } = packet
  if (transport?.kind === 'tcp') return `tcp ${transport.seq} ${transport.flags} ${payloadLength}`
  if (transport?.kind === 'udp') return `udp ${payloadLength} ${identityPart(packet)}`
  if (transport?.quoted)
    return `${transport.kind} error ${transport.type} ${transport.code} ${ipOf(packet)?.kind === 'ipv6' ? transport.quoted.id : ipOf(packet)?.id}`
  return `${transport?.kind} ${transport?.type} ${identityPart(packet)}`
}

/** The first packet back: what acknowledges the SYN, what answers the datagram from where it arrived, or the ICMP error about either. */
function isAnswer({ subject, headers, timeNs }: Sighting, first: Sighting, sent: readonly Sighting[], exchange: Exchange): boolean {
  const { transport } = subject
  if (timeNs < first.timeNs) return false
  if ((transport?.kind === 'icmp' || transport?.kind === 'icmpv6') && transport.quoted) {
    const { quoted } = transport
    return sent.some(
      ({ headers: asked }) =>
        asked.src === quoted.src && asked.dst === quoted.dst && asked.sport === quoted.sport && asked.dport === quoted.dport,
    )
  }
  if (transport?.kind !== exchange.protocol) return false
  if (transport.kind === 'tcp' && first.subject.transport?.kind === 'tcp') {
    return transport.ack === (first.subject.transport.seq + 1) % 2 ** 32 && /^(SYN-ACK|RST-ACK)$/.test(transport.flags)
  }
  if (transport.kind === 'icmp' || transport.kind === 'icmpv6')
    return transport.type === echo[transport.kind].reply && identityPart(subject) === identityPart(first.subject)
  return sent.some(
    ({ headers: asked }) =>
      asked.src === headers.dst && asked.sport === headers.dport && asked.dst === headers.src && asked.dport === headers.sport,
  )
}

/** A retransmission begins where the packet shows again at the place that saw it first. */
function splitAttempts(sightings: readonly Sighting[]): readonly (readonly Sighting[])[] {
  const attempts: Sighting[][] = []
  const [first] = sightings
  for (const sighting of sightings) {
    const isStart = sighting.owner === first?.owner && sighting.interface === first.interface && sighting.dir === first.dir
    if (isStart) attempts.push([])
    attempts.at(-1)!.push(sighting)
  }
  return attempts
}
