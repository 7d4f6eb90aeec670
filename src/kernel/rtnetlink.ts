/**
 * rtnetlink as this project needs it. All calls but one are synchronous; they act on the network namespace the socket was opened in.
 * Errors: KERNEL_REFUSED, which names the operation, the object, the errno and the kernel's extended ACK text.
 */

/** A link as the kernel lists it (`ip -d link`). */
export interface Link {
  readonly index: number
  readonly name: string
  /** `veth`, `bridge`, `vxlan`, `dummy`; undefined for `lo` and physical devices. */
  readonly kind: string | undefined
  readonly mac: string
  readonly mtu: number
  readonly isUp: boolean
  /** Index of the bridge the link is a port of. */
  readonly master: number | undefined
  /** Index of the peer of a veth (in its own namespace). */
  readonly peer: number | undefined
  readonly alias: string | undefined
  /** A number by which its maker finds it again (`ip link show group N`); 0 when nobody set one. */
  readonly group: number
  readonly vxlan: VxlanOptions | undefined
}

export interface VxlanOptions {
  readonly vni: number
  readonly port: number
  readonly local: string
  readonly underlyingLink: number
  readonly learning: boolean
}

export interface LinkChange {
  readonly up?: boolean
  readonly mac?: string
  readonly mtu?: number
  readonly name?: string
  readonly alias?: string
  readonly group?: number
  /** Index of a bridge, or 0 to leave it. */
  readonly master?: number
  /** A file descriptor of the network namespace to move the link to. */
  readonly netnsFd?: number
}

export interface Address {
  readonly link: number
  /** With its prefix length: `10.244.1.5/24`. */
  readonly cidr: string
  readonly scope?: 'global' | 'link' | 'host'
}

export interface Route {
  /** `default` or a range: `10.244.2.0/24`. */
  readonly destination: string
  readonly gateway?: string
  readonly link?: number
  readonly source?: string
  readonly scope?: 'global' | 'link' | 'host'
  /** The gateway is taken to be on the link even if no route says so (RTNH_F_ONLINK). */
  readonly onlink?: boolean
  /** Who made the route (RTPROT_*): ours carry `routeProtocol`. */
  readonly protocol?: number
  readonly mtu?: number
}

/** An ARP or NDP entry (`ip neigh`), or with `forwarding` an entry of a bridge's or VXLAN's FDB (`bridge fdb`). */
export interface Neighbour {
  readonly link: number
  readonly mac: string
  /** For a neighbour: the IP address. For an FDB entry of a VXLAN: the remote VTEP. */
  readonly address: string
  readonly permanent: boolean
}

/** RTPROT value that marks the routes made by podwire. */
export const routeProtocol = 86

export interface Rtnetlink {
  links(): readonly Link[]
  link(name: string): Link | undefined
  addVeth(veth: {
    readonly name: string
    readonly mtu: number
    readonly mac?: string
    readonly group?: number
    /** Index of the bridge that the near end becomes a port of. */
    readonly master?: number
    readonly peer: { readonly name: string; readonly netnsFd?: number; readonly mac?: string }
  }): void
  addBridge(bridge: { readonly name: string; readonly mtu: number; readonly mac?: string }): void
  /** A device that takes packets and drops them, for addresses that are to be local. A kernel may not have it: KERNEL_REFUSED, ENOTSUP. */
  addDummy(dummy: { readonly name: string; readonly mtu: number }): void
  addVxlan(vxlan: { readonly name: string; readonly mtu: number; readonly mac?: string } & Omit<VxlanOptions, 'learning'>): void
  changeLink(index: number, change: LinkChange): void
  /** A port of a bridge: hairpin mode (IFLA_BRPORT_MODE), MAC learning (IFLA_BRPORT_LEARNING). */
  changeBridgePort(index: number, change: { readonly hairpin?: boolean; readonly learning?: boolean }): void
  deleteLink(index: number): void
  /**
   * Deletes all links of a group (not 0) as one change, without this thread. They are out of sight after a millisecond or two; it resolves when the kernel
   * has freed them, some 20 ms later, however many they are. No such link: KERNEL_REFUSED, ENODEV.
   */
  deleteGroup(group: number): Promise<void>
  addresses(): readonly Address[]
  addAddress(address: Address): void
  deleteAddress(address: Address): void
  routes(): readonly Route[]
  /** NLM_F_REPLACE: true afterwards, whatever was before. */
  replaceRoute(route: Route): void
  deleteRoute(route: Route): void
  neighbours(): readonly Neighbour[]
  replaceNeighbour(neighbour: Neighbour): void
  deleteNeighbour(neighbour: Neighbour): void
  /** Entries that name a remote VTEP; what a bridge or a device knows of its own MACs is left out. */
  fdb(): readonly Neighbour[]
  replaceFdb(entry: Neighbour): void
  deleteFdb(entry: Neighbour): void
  close(): void
}
