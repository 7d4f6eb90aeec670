import { ipFromBytes } from './address.js'
import {
  type ArpHeader,
  type EthernetHeader,
  type Fragment,
  type IcmpHeader,
  type IpHeader,
  ipProtocols,
  type LinkType,
  linkTypes,
  type Packet,
  type QuotedPacket,
  type Sll2Header,
  type TcpHeader,
  type UdpHeader,
} from './packet.js'

export interface DecodeOptions {
  /** UDP destination ports whose payload is VXLAN: IANA's and, before it, Linux's. */
  readonly vxlanPorts: ReadonlySet<number>
}

const defaults: DecodeOptions = { vxlanPorts: new Set([4789, 8472]) }

/** Real packets nest once; a chain of forged ones must not exhaust the stack. */
const maxNesting = 8

/**
 * Decodes one frame as far as its bytes go. Never throws: what cannot be decoded stays in `payload`, and `malformed` says why.
 * A frame that the capture cut short is not malformed as long as the headers are there.
 */
export function decodePacket(bytes: Uint8Array, linkType: LinkType, options: DecodeOptions = defaults): Packet {
  return decodeFrame(new Draft(bytes), linkType, options, 0)
}

function decodeFrame(draft: Draft, linkType: LinkType, options: DecodeOptions, depth: number): Packet {
  try {
    if (linkType === linkTypes.sll2) decodeSll2(draft)
    else decodeEthernet(draft)
    decodeNetwork(draft)
    decodeTransport(draft)
    decodeVxlan(draft, options, depth)
  } catch (error) {
    if (!(error instanceof Short)) throw error
    draft.malformed = error.message
  }
  return {
    link: draft.link ?? noLink,
    network: draft.network,
    transport: draft.transport,
    vxlan: draft.vxlan,
    payload: draft.bytes.subarray(draft.offset, Math.min(draft.captured, draft.end)),
    payloadLength: Math.max(0, draft.end - draft.offset),
    malformed: draft.malformed,
  }
}

const noLink: EthernetHeader = { kind: 'ethernet', src: '', dst: '', etherType: 0, vlans: [] }

/** Ends the decoding of one frame; never leaves this file. */
class Short extends Error {}

/** A frame being decoded: a cursor into its bytes and the headers found so far. */
class Draft {
  readonly bytes: Uint8Array
  offset: number
  /** Where the bytes of this frame end. */
  readonly captured: number
  /** Where the payload ends on the wire according to the headers; beyond `captured` when the capture cut it. */
  end: number
  link: EthernetHeader | Sll2Header | undefined
  network: ArpHeader | IpHeader | undefined
  transport: TcpHeader | UdpHeader | IcmpHeader | undefined
  vxlan: { readonly vni: number; readonly inner: Packet } | undefined
  malformed: string | undefined

  /** Of a frame inside another, where it begins and ends there. */
  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes
    this.offset = offset
    this.end = end
    this.captured = end
  }

  /** Steps over a header of `length` bytes and returns where it begins. */
  take(length: number, header: string): number {
    const start = this.offset
    if (start + length > Math.min(this.captured, this.end)) {
      throw new Short(`${header}: ${length} bytes needed, ${Math.max(0, Math.min(this.captured, this.end) - start)} there`)
    }
    this.offset = start + length
    return start
  }
}

const u16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!
const u32 = (bytes: Uint8Array, at: number): number => u16(bytes, at) * 0x10000 + u16(bytes, at + 2)
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** A lab has few addresses and a capture names them again and again: their texts are kept. Forged ones must not fill the memory. */
const keptTexts = 4096
function textCache(write: (bytes: Uint8Array, at: number) => string): (key: number, bytes: Uint8Array, at: number) => string {
  const texts = new Map<number, string>()
  return (key, bytes, at) => {
    const known = texts.get(key)
    if (known !== undefined) return known
    if (texts.size >= keptTexts) texts.clear()
    const text = write(bytes, at)
    texts.set(key, text)
    return text
  }
}
const macText = textCache((bytes, at) => Array.from(bytes.subarray(at, at + 6), byte => hex[byte]).join(':'))
const mac = (bytes: Uint8Array, at: number): string => macText(u16(bytes, at) * 0x1_0000_0000 + u32(bytes, at + 2), bytes, at)
const ipv4Text = textCache((bytes, at) => bytes.subarray(at, at + 4).join('.'))
const ipv4 = (bytes: Uint8Array, at: number): string => ipv4Text(u32(bytes, at), bytes, at)
const ipv6 = (bytes: Uint8Array, at: number): string => ipFromBytes(bytes.subarray(at, at + 16))

const untagged: readonly number[] = []

/** IEEE 802.3, with any number of 802.1Q and 802.1ad tags. */
function decodeEthernet(draft: Draft): void {
  const { bytes } = draft
  const at = draft.take(14, 'Ethernet')
  let etherType = u16(bytes, at + 12)
  let vlans = untagged
  while (etherType === 0x8100 || etherType === 0x88a8) {
    const tag = draft.take(4, 'VLAN tag')
    vlans = [...vlans, u16(bytes, tag) & 0x0fff]
    etherType = u16(bytes, tag + 2)
  }
  draft.link = { kind: 'ethernet', dst: mac(bytes, at), src: mac(bytes, at + 6), etherType, vlans }
}

const packetTypes = ['host', 'broadcast', 'multicast', 'otherhost', 'outgoing'] as const

/** LINKTYPE_LINUX_SLL2 (276). */
function decodeSll2(draft: Draft): void {
  const { bytes } = draft
  const at = draft.take(20, 'Linux cooked v2')
  const packetType = packetTypes[bytes[at + 10]!]
  if (packetType === undefined) throw new Short(`Linux cooked v2: packet type ${bytes[at + 10]} is unknown`)
  draft.link = {
    kind: 'sll2',
    etherType: u16(bytes, at),
    ifindex: u32(bytes, at + 4),
    deviceType: u16(bytes, at + 8),
    packetType,
    src: bytes[at + 11]! >= 6 ? mac(bytes, at + 12) : '',
  }
}

function decodeNetwork(draft: Draft): void {
  const etherType = draft.link?.etherType
  if (etherType === 0x0800) decodeIpv4(draft)
  else if (etherType === 0x86dd) decodeIpv6(draft)
  else if (etherType === 0x0806) decodeArp(draft)
}

/** RFC 826, for IPv4 over Ethernet. */
function decodeArp(draft: Draft): void {
  const { bytes } = draft
  const at = draft.take(8, 'ARP')
  if (u16(bytes, at + 2) !== 0x0800 || bytes[at + 4] !== 6 || bytes[at + 5] !== 4) throw new Short('ARP: not IPv4 over Ethernet')
  draft.take(20, 'ARP addresses')
  draft.network = {
    kind: 'arp',
    operation: u16(bytes, at + 6),
    senderMac: mac(bytes, at + 8),
    senderIp: ipv4(bytes, at + 14),
    targetMac: mac(bytes, at + 18),
    targetIp: ipv4(bytes, at + 24),
  }
}

/** RFC 791. */
function decodeIpv4(draft: Draft): void {
  const { bytes } = draft
  const at = draft.take(20, 'IPv4')
  if (bytes[at]! >> 4 !== 4) throw new Short(`IPv4: version ${bytes[at]! >> 4}`)
  const headerLength = (bytes[at]! & 0x0f) * 4
  if (headerLength < 20) throw new Short(`IPv4: header of ${headerLength} bytes`)
  draft.take(headerLength - 20, 'IPv4 options')
  // 0 is what a segment larger than 64 KiB carries when the device is to cut it (BIG TCP).
  const totalLength = u16(bytes, at + 2) || draft.captured - at
  if (totalLength < headerLength) throw new Short(`IPv4: total length ${totalLength} is less than its header`)
  const flags = bytes[at + 6]! >> 5
  const id = u16(bytes, at + 4)
  const fragmentOffset = (u16(bytes, at + 6) & 0x1fff) * 8
  const more = (flags & 1) === 1
  draft.end = at + totalLength
  draft.network = {
    kind: 'ipv4',
    src: ipv4(bytes, at + 12),
    dst: ipv4(bytes, at + 16),
    ttl: bytes[at + 8]!,
    protocol: bytes[at + 9]!,
    totalLength,
    headerLength,
    trafficClass: bytes[at + 1]!,
    id,
    flowLabel: undefined,
    dontFragment: (flags & 2) === 2,
    fragment: more || fragmentOffset > 0 ? { offset: fragmentOffset, more, id } : undefined,
  }
}

const hopByHop = 0
const routing = 43
const fragmentHeader = 44
const authentication = 51
const destinationOptions = 60
const mobility = 135

/** RFC 8200 with its extension headers; ESP (50) and "no next header" (59) end the chain. */
function decodeIpv6(draft: Draft): void {
  const { bytes } = draft
  const at = draft.take(40, 'IPv6')
  if (bytes[at]! >> 4 !== 6) throw new Short(`IPv6: version ${bytes[at]! >> 4}`)
  const payloadLength = u16(bytes, at + 4) || draft.captured - at - 40
  draft.end = at + 40 + payloadLength
  let protocol = bytes[at + 6]!
  let fragment: Fragment | undefined
  const header = (): IpHeader => ({
    kind: 'ipv6',
    src: ipv6(bytes, at + 8),
    dst: ipv6(bytes, at + 24),
    ttl: bytes[at + 7]!,
    protocol,
    totalLength: 40 + payloadLength,
    headerLength: draft.offset - at,
    trafficClass: ((bytes[at]! & 0x0f) << 4) | (bytes[at + 1]! >> 4),
    id: undefined,
    flowLabel: u32(bytes, at) & 0xfffff,
    dontFragment: true,
    fragment,
  })
  draft.network = header()
  while ([hopByHop, routing, fragmentHeader, authentication, destinationOptions, mobility].includes(protocol)) {
    const extension = draft.take(8, `IPv6 extension header ${protocol}`)
    if (protocol === fragmentHeader) {
      const field = u16(bytes, extension + 2)
      fragment = { offset: field & 0xfff8, more: (field & 1) === 1, id: u32(bytes, extension + 4) }
    } else {
      // Authentication headers count in units of four bytes (RFC 4302), the others in eight.
      const length = protocol === authentication ? (bytes[extension + 1]! + 2) * 4 : (bytes[extension + 1]! + 1) * 8
      if (length > 8) draft.take(length - 8, `IPv6 extension header ${protocol}`)
    }
    protocol = bytes[extension]!
    draft.network = header()
    if (fragment !== undefined && fragment.offset > 0) return
  }
}

function decodeTransport(draft: Draft): void {
  const { network } = draft
  if (network === undefined || network.kind === 'arp') return
  if (network.fragment !== undefined && network.fragment.offset > 0) return
  if (network.protocol === ipProtocols.tcp) decodeTcp(draft)
  else if (network.protocol === ipProtocols.udp) decodeUdp(draft)
  else if (network.protocol === ipProtocols.icmp) decodeIcmp(draft, 'icmp')
  else if (network.protocol === ipProtocols.icmpv6) decodeIcmp(draft, 'icmpv6')
}

const tcpFlags = [
  ['SYN', 0x02],
  ['FIN', 0x01],
  ['RST', 0x04],
  ['PSH', 0x08],
  ['URG', 0x20],
  ['ACK', 0x10],
] as const
/** ECN bits are left out: a path may set them without changing what the segment is. */
const flagNames = Array.from({ length: 64 }, (_, bits) => tcpFlags.flatMap(([name, bit]) => (bits & bit ? [name] : [])).join('-'))

/** RFC 9293. */
function decodeTcp(draft: Draft): void {
  const { bytes } = draft
  const at = draft.take(20, 'TCP')
  const headerLength = (bytes[at + 12]! >> 4) * 4
  if (headerLength < 20) throw new Short(`TCP: header of ${headerLength} bytes`)
  draft.take(headerLength - 20, 'TCP options')
  draft.transport = {
    kind: 'tcp',
    sport: u16(bytes, at),
    dport: u16(bytes, at + 2),
    seq: u32(bytes, at + 4),
    ack: u32(bytes, at + 8),
    flags: flagNames[bytes[at + 13]! & 0x3f]!,
    window: u16(bytes, at + 14),
    headerLength,
  }
}

/** RFC 768. */
function decodeUdp(draft: Draft): void {
  const { bytes } = draft
  const at = draft.take(8, 'UDP')
  const length = u16(bytes, at + 4)
  if (length !== 0 && length < 8) throw new Short(`UDP: length ${length}`)
  draft.transport = { kind: 'udp', sport: u16(bytes, at), dport: u16(bytes, at + 2), length }
}

/** RFC 792 and RFC 4443. */
function decodeIcmp(draft: Draft, kind: 'icmp' | 'icmpv6'): void {
  const { bytes } = draft
  const at = draft.take(8, kind === 'icmp' ? 'ICMP' : 'ICMPv6')
  const type = bytes[at]!
  const isEcho = kind === 'icmp' ? type === 8 || type === 0 : type === 128 || type === 129
  const isError = kind === 'icmp' ? [3, 4, 5, 11, 12].includes(type) : type >= 1 && type <= 4
  draft.transport = {
    kind,
    type,
    code: bytes[at + 1]!,
    ...(kind === 'icmp' && type === 3 && bytes[at + 1] === 4 && { mtu: u16(bytes, at + 6) }),
    ...(kind === 'icmpv6' && type === 2 && { mtu: u32(bytes, at + 4) }),
    echo: isEcho ? { id: u16(bytes, at + 4), seq: u16(bytes, at + 6) } : undefined,
    quoted: isError ? decodeQuoted(bytes.subarray(draft.offset), kind === 'icmp' ? 0x0800 : 0x86dd) : undefined,
  }
}

/** The start of the packet that an ICMP error quotes; undefined when too little of it is there. */
function decodeQuoted(bytes: Uint8Array, etherType: number): QuotedPacket | undefined {
  const draft = new Draft(bytes)
  draft.link = { ...noLink, etherType }
  try {
    decodeNetwork(draft)
  } catch (error) {
    if (!(error instanceof Short)) throw error
  }
  const { network } = draft
  if (network === undefined || network.kind === 'arp') return undefined
  // Only the first eight bytes of the transport header need be there, which hold the ports.
  const hasPorts = network.protocol === ipProtocols.tcp || network.protocol === ipProtocols.udp
  const ports = hasPorts && draft.captured >= draft.offset + 4 ? [u16(bytes, draft.offset), u16(bytes, draft.offset + 2)] : []
  return {
    src: network.src,
    dst: network.dst,
    protocol: network.protocol,
    sport: ports[0],
    dport: ports[1],
    id: network.flowLabel ?? network.id,
  }
}

/** RFC 7348. A first fragment is left alone: its inner frame is not whole. */
function decodeVxlan(draft: Draft, options: DecodeOptions, depth: number): void {
  const { bytes, transport, network } = draft
  if (transport?.kind !== 'udp' || !options.vxlanPorts.has(transport.dport)) return
  if (network?.kind !== 'arp' && network?.fragment !== undefined) return
  if (depth === maxNesting) throw new Short(`VXLAN: nested more than ${maxNesting} times`)
  const at = draft.take(8, 'VXLAN')
  if ((bytes[at]! & 0x08) === 0) throw new Short('VXLAN: the flag that says "this VNI is valid" is not set')
  const inner = decodeFrame(new Draft(bytes, draft.offset, Math.min(draft.captured, draft.end)), linkTypes.ethernet, options, depth + 1)
  draft.vxlan = { vni: u32(bytes, at + 4) >>> 8, inner }
}
