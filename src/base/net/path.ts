/**
 * The vocabulary in which datapaths and backends say which way a packet takes. Pure data: `cni/path.ts` and the `path.ts` of each proxy speak it,
 * `flow` composes and compares it.
 */

/** The role of an interface on the way. A Pod has `eth0` and `lo`; a node has the others; a host outside the cluster has `uplink`. */
export type Port = 'eth0' | 'lo' | 'veth' | 'bridge' | 'vxlan' | 'uplink'

/** One interface where a capture can see the packet. */
export interface Place {
  /** The Pod (`namespace/name`) or the host that owns the interface. */
  readonly owner: string
  readonly ownerKind: 'pod' | 'host'
  readonly port: Port
  /** For `veth`: the Pod at its other end. */
  readonly pod?: string
}

/** `in`: the packet came from the wire or the peer. `out`: the packet leaves by this interface. As seen by the owner's namespace. */
export type Direction = 'in' | 'out'

/** What may differ from the hop before. `mac` is either Ethernet address; `encap` and `decap` are the outer headers put on and off. */
export type Change = 'src' | 'dst' | 'sport' | 'dport' | 'ttl' | 'mac' | 'encap' | 'decap'

/** The headers of one packet that assertions name. Addresses as text, ports and TTL as numbers. */
export interface Headers {
  readonly src?: string
  readonly dst?: string
  readonly sport?: number
  readonly dport?: number
  readonly proto?: 'tcp' | 'udp' | 'icmp' | 'icmpv6'
  readonly flags?: string
  readonly ttl?: number
  readonly ethSrc?: string
  readonly ethDst?: string
  readonly outer?: OuterHeaders
}

/** The outer headers of an encapsulated packet. */
export interface OuterHeaders {
  readonly proto: 'udp'
  readonly src?: string
  readonly dst?: string
  readonly dport?: number
  readonly vni?: number
  readonly ttl?: number
}
