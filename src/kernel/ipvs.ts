import type { Ip } from '../base/net/address.js'

/** What names a virtual server. */
export interface VirtualServerKey {
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  readonly address: Ip
  readonly port: number
}

/** An address and port that the kernel answers for by sending each connection to one of several destinations. */
export interface VirtualServer extends VirtualServerKey {
  /** The name of a scheduler: `rr`, `wlc`, … The kernel loads its module when it can. */
  readonly scheduler: string
  /** Whether the schedulers `sh` and `mh` look at the client's port too. */
  readonly hashesPort: boolean
  /** Seconds for which a client goes where its last connection went; undefined: each connection is scheduled by itself. */
  readonly persistenceSeconds?: number
}

/** Where the kernel sends connections, rewriting their destination (IPVS calls that masquerading). */
export interface Destination {
  readonly address: Ip
  readonly port: number
  /** Share of new connections for the schedulers that weigh; with 0 only connections that are there go on. */
  readonly weight: number
}

export interface DestinationState extends Destination {
  /** Established connections. */
  readonly activeConnections: number
  /** Connections that begin or end, and UDP flows. */
  readonly inactiveConnections: number
}

/** Seconds after which the kernel forgets a connection that is silent; 0 leaves a value as it is when set. */
export interface IpvsTimeouts {
  readonly tcp: number
  readonly tcpFin: number
  readonly udp: number
}

/**
 * The IP virtual servers of one network namespace. All calls are synchronous and act on the namespace the implementation was opened in.
 * Virtual servers by firewall mark are none of ours and are left out.
 *
 * Errors: KERNEL_REFUSED with the operation, the object and the errno: EEXIST for what is there already, ESRCH for a virtual server and ENOENT for a
 * destination that is not there, ENOENT for a scheduler that the kernel has not.
 */
export interface Ipvs {
  servers(): readonly VirtualServer[]
  addServer(server: VirtualServer): void
  /** Changes scheduler and persistence; destinations and connections stay. */
  changeServer(server: VirtualServer): void
  /** Its destinations go with it. */
  deleteServer(server: VirtualServerKey): void
  destinations(server: VirtualServerKey): readonly DestinationState[]
  addDestination(server: VirtualServerKey, destination: Destination): void
  changeDestination(server: VirtualServerKey, destination: Destination): void
  deleteDestination(server: VirtualServerKey, destination: Omit<Destination, 'weight'>): void
  /** Removes every virtual server of the namespace, whoever made it. */
  flush(): void
  timeouts(): IpvsTimeouts
  setTimeouts(timeouts: IpvsTimeouts): void
  /** The version of IPVS as `1.2.1`, and the number of buckets of its connection table. */
  info(): { readonly version: string; readonly connectionTableSize: number }
  close(): void
}
