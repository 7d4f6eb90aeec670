import type { EndpointSlice, Service } from '../api/generated/types.js'
import type { Cidr, Ip, IpFamily } from '../base/net/address.js'

/** The protocols that Services know, as the kernel names them. */
export type Protocol = 'tcp' | 'udp' | 'sctp'

/** One address and port that traffic of a Service port may be sent to. */
export interface Endpoint {
  readonly address: Ip
  readonly port: number
  /** Whether it runs on the node this state is for. */
  readonly isLocal: boolean
}

/** How to tell that a packet comes from a Pod of this cluster: by its source address, or by the interface it came in by (`veth+`: any that starts so). */
export type LocalDetector = { readonly by: 'source'; readonly cidr: Cidr } | { readonly by: 'interface'; readonly name: string }

/** What is true of the node whatever the Services are. */
export interface NodeFacts {
  readonly name: string
  readonly family: IpFamily
  /** The node's own address; a source range that holds it lets the node reach its load balancers. */
  readonly address: Ip
  /** The node's topology zone, the label `topology.kubernetes.io/zone`. */
  readonly zone?: string | undefined
  /** The ranges that ClusterIPs come from. */
  readonly serviceRanges: readonly Cidr[]
  /** Addresses on which NodePorts answer: every local one, or those inside these ranges. */
  readonly nodePortAddresses: 'all' | readonly Cidr[]
  /** Whether NodePorts answer on 127.0.0.1 too; the node's `route_localnet` must then be 1. */
  readonly localhostNodePorts: boolean
  /** Undefined: nothing tells Pods from others, so no traffic to a ClusterIP is masqueraded for coming from outside. */
  readonly localDetector?: LocalDetector | undefined
  /** Masquerade all traffic to ClusterIPs. */
  readonly masqueradeAll: boolean
  /** The packet mark, one bit, that says: this packet's source must be rewritten. */
  readonly masqueradeMark: number
  /** Drop packets that conntrack calls INVALID (off when `nf_conntrack_tcp_be_liberal` is 1). */
  readonly dropInvalid: boolean
}

/** What happens to traffic that may use no endpoint: refused with an ICMP error or RST, or dropped without a word. */
export type Fate = 'forward' | 'reject' | 'drop'

/** One port of one Service with everything decided: backends render it and decide nothing. */
export interface ServicePort {
  /** `namespace/name:port`, or `namespace/name` for a port without a name. */
  readonly key: string
  readonly protocol: Protocol
  readonly clusterIP: Ip
  readonly port: number
  readonly nodePort?: number
  readonly externalIPs: readonly Ip[]
  /** Ingress addresses of the load balancer that the node itself answers for (`ipMode` VIP). */
  readonly loadBalancerIPs: readonly Ip[]
  /** Who may use the load balancer's addresses; empty: everybody. */
  readonly loadBalancerSourceRanges: readonly Cidr[]
  readonly healthCheckNodePort?: number
  readonly internalTrafficPolicy: 'Cluster' | 'Local'
  readonly externalTrafficPolicy: 'Cluster' | 'Local'
  /** Seconds for which a client stays with its endpoint; undefined: no session affinity. */
  readonly affinitySeconds?: number
  /** Endpoints for traffic of policy Cluster, sorted by address and port; empty also when no traffic of this Service has that policy. */
  readonly clusterEndpoints: readonly Endpoint[]
  /** Endpoints for traffic of policy Local. */
  readonly localEndpoints: readonly Endpoint[]
  /** Every endpoint that traffic entering at this node may reach: the union of both. */
  readonly reachableEndpoints: readonly Endpoint[]
  /** Endpoints whose open UDP flows stay valid: all that still serve, chosen or not. */
  readonly servingEndpoints: readonly Endpoint[]
  /** Ready endpoints of this node, each address once; filled only where a health check asks. */
  readonly localReadyAddresses: readonly Ip[]
  /** Whether any endpoint in the cluster is usable, if perhaps not from here. */
  readonly hasEndpoints: boolean
  /** What becomes of traffic to the ClusterIP. */
  readonly internal: Fate
  /** What becomes of traffic from outside to NodePort, external and load balancer addresses. */
  readonly external: Fate
}

/** Whether the port can be reached by anything but its ClusterIP. */
export const isExternallyAccessible = (port: Pick<ServicePort, 'nodePort' | 'externalIPs' | 'loadBalancerIPs'>): boolean =>
  port.nodePort !== undefined || port.externalIPs.length > 0 || port.loadBalancerIPs.length > 0

/** What one Service was made from. `buildServiceState` compares these by identity to see what has not changed. */
export interface ServiceOrigin {
  readonly service: Service
  readonly slices: readonly EndpointSlice[]
  readonly ports: readonly ServicePort[]
}

/**
 * What must be true of Services on one node, for one address family.
 *
 * States share structure: a port that did not change since the previous state is the same object, and so is `node`.
 */
export interface ServiceState {
  readonly node: NodeFacts
  /** By key. */
  readonly ports: ReadonlyMap<string, ServicePort>
  /** By `namespace/name`. */
  readonly origins: ReadonlyMap<string, ServiceOrigin>
}
