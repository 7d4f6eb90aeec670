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

/** One place on a predicted way. What is neither in `changed` nor in `maybe` equals the last hop that was not optional. */
export interface HopStep {
  readonly kind: 'hop'
  readonly place: Place
  readonly dir: Direction
  readonly changed: readonly Change[]
  /** What may change or not. */
  readonly maybe: readonly Change[]
  /** True: the kernel takes the packet by here in some states that the facts do not tell. */
  readonly isOptional: boolean
}

/** A netfilter hook of a host that the packet passes between two places; address translation happens here. */
export interface HookStep {
  readonly kind: 'hook'
  readonly hook: 'prerouting' | 'output' | 'postrouting'
  readonly host: string
}

/** What a datapath says of a way: places, and between them the hooks where others may alter the packet. */
export type PathStep = HopStep | HookStep

/** One end of a way. */
export type PathEnd =
  | { readonly kind: 'pod'; readonly pod: string; readonly node: string }
  | { readonly kind: 'host'; readonly host: string; readonly isNode: boolean }

/** What a datapath must know to say which way a packet takes. */
export interface Journey {
  readonly from: PathEnd
  readonly to: PathEnd
  /** The host that rewrites the destination to `to`; until there the packet is addressed to a Service or to that host. */
  readonly redirectedOn?: string | undefined
  /** The node at which a packet from outside the cluster enters. */
  readonly entry?: string | undefined
  /** Whether the node hands bridged packets to iptables (net.bridge.bridge-nf-call-iptables). */
  readonly bridgeNetfilter: (node: string) => boolean
  /** What moves packets between nodes; `vxlan` when absent. */
  readonly datapath?: 'vxlan' | 'routed' | 'bridge' | 'mixed' | undefined
  /** The host that routes between the segments on which two hosts stand; undefined when it is the same one. */
  readonly routerBetween?: ((here: string, there: string) => string | undefined) | undefined
}
