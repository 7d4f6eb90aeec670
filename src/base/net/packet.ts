/** What a decoder makes of one frame. Fields are named as in the RFCs; addresses are text, numbers are host order. */

/** Link types as libpcap numbers them: Ethernet, and Linux "cooked" v2, which `-i any` gives. */
export const linkTypes = { ethernet: 1, sll2: 276 } as const
export type LinkType = (typeof linkTypes)[keyof typeof linkTypes]

export interface EthernetHeader {
  readonly kind: 'ethernet'
  readonly src: string
  readonly dst: string
  readonly etherType: number
  /** VLAN identifiers of 802.1Q and 802.1ad tags, the outer one first. */
  readonly vlans: readonly number[]
}

/** A cooked header tells the interface and the direction, but of the Ethernet addresses only the source. */
export interface Sll2Header {
  readonly kind: 'sll2'
  readonly etherType: number
  readonly ifindex: number
  /** ARPHRD_*: 1 for Ethernet, 772 for loopback. */
  readonly deviceType: number
  readonly packetType: 'host' | 'broadcast' | 'multicast' | 'otherhost' | 'outgoing'
  readonly src: string
}

export interface ArpHeader {
  readonly kind: 'arp'
  readonly operation: number
  readonly senderMac: string
  readonly senderIp: string
  readonly targetMac: string
  readonly targetIp: string
}

export interface Fragment {
  readonly offset: number
  readonly more: boolean
  readonly id: number
}

export interface IpHeader {
  readonly kind: 'ipv4' | 'ipv6'
  readonly src: string
  readonly dst: string
  /** TTL, or IPv6's hop limit. */
  readonly ttl: number
  /** The protocol after all IPv6 extension headers. */
  readonly protocol: number
  /** Header, options and payload in bytes, as the header says (not as captured). */
  readonly totalLength: number
  /** Header with its options or extension headers in bytes. */
  readonly headerLength: number
  readonly trafficClass: number
  /** IPv4 identification; undefined for IPv6. */
  readonly id: number | undefined
  /** IPv6 flow label (RFC 6437); undefined for IPv4. */
  readonly flowLabel: number | undefined
  readonly dontFragment: boolean
  readonly fragment: Fragment | undefined
}

export interface TcpHeader {
  readonly kind: 'tcp'
  readonly sport: number
  readonly dport: number
  readonly seq: number
  readonly ack: number
  /** `SYN`, `SYN-ACK`, `PSH-ACK`, … in the order SYN FIN RST PSH URG ACK. */
  readonly flags: string
  readonly window: number
  readonly headerLength: number
}

export interface UdpHeader {
  readonly kind: 'udp'
  readonly sport: number
  readonly dport: number
  readonly length: number
}

export interface IcmpHeader {
  readonly kind: 'icmp' | 'icmpv6'
  readonly type: number
  readonly code: number
  /** Of echo messages. */
  readonly echo: { readonly id: number; readonly seq: number } | undefined
  /** Of "fragmentation needed" and "packet too big": what would fit. */
  readonly mtu?: number
  /** Of error messages: the packet that caused it, as far as it is quoted. */
  readonly quoted: QuotedPacket | undefined
}

export interface QuotedPacket {
  readonly src: string
  readonly dst: string
  readonly protocol: number
  readonly sport: number | undefined
  readonly dport: number | undefined
  /** What tells it from others, however it is translated: its identification, of IPv6 its flow label. */
  readonly id: number | undefined
}

export interface Packet {
  readonly link: EthernetHeader | Sll2Header
  readonly network: ArpHeader | IpHeader | undefined
  readonly transport: TcpHeader | UdpHeader | IcmpHeader | undefined
  readonly vxlan: { readonly vni: number; readonly inner: Packet } | undefined
  /** Bytes after the last header that was decoded, as far as they were captured. */
  readonly payload: Uint8Array
  /** Length of the payload on the wire, from the headers; more than `payload.length` when the capture cut it. */
  readonly payloadLength: number
  /** Where decoding had to stop before the end, and why. */
  readonly malformed: string | undefined
}

export const ipProtocols = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const

/** The IP header of a packet, if it has one. */
export const ipOf = (packet: Packet): IpHeader | undefined => (packet.network?.kind === 'arp' ? undefined : packet.network)
