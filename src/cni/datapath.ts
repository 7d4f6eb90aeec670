import type { DatapathKind } from '../base/config/agent-config.js'
import type { Cidr, Ip } from '../base/net/address.js'
import type { Host } from '../kernel/host.js'
import type { Iptables } from '../kernel/iptables.js'
import type { Rtnetlink } from '../kernel/rtnetlink.js'

/** The network stack of the node that a datapath works on. */
export interface NodeStack {
  /** Runs `fn` synchronously with this thread in the node's network namespace. */
  enter<T>(fn: () => T): T
  /** Opened in the node's network namespace. */
  readonly rtnetlink: Rtnetlink
  readonly iptables: Iptables
  /** The rules of IPv6; needed where Pods have both families. */
  readonly ip6tables?: Iptables
  /** Runs a program in the node's namespaces: plugins that this one calls. */
  readonly run: Host['run']
}

/** An address of a Pod's interface. */
export interface PodAddress {
  readonly address: Ip
  readonly prefix: number
  /** The node's end, by which the Pod reaches everything else. */
  readonly gateway: Ip | undefined
}

/** A route of a Pod, by its own interface. */
export interface PodRoute {
  /** `default`, or a range. */
  readonly destination: string
  readonly gateway: Ip | undefined
}

/** One Pod's interface to be: everything about it is decided. */
export interface PodInterface {
  /** Path of the Pod's network namespace. */
  readonly netns: string
  /** The interface's name inside the Pod. */
  readonly ifname: string
  /** Its other end on the node, with an alias that tells people whose it is. */
  readonly hostVeth: string
  readonly alias: string
  readonly mac: string
  readonly mtu: number
  /** Its other end becomes a port of this bridge; undefined: the node routes each address to it, and the gateways are addresses of that end. */
  readonly bridge: string | undefined
  /** The number that links of this network bear, so that they are found again (`networkGroup`). */
  readonly group: number
  readonly addresses: readonly PodAddress[]
  readonly routes: readonly PodRoute[]
}

/** As CHECK sees it: versions of CNI before 1.1 do not tell the MTU that a later plugin may have changed. */
export type CheckedPodInterface = Omit<PodInterface, 'mtu'> & { readonly mtu: number | undefined }

/** Another node as the datapath must know it to reach its Pods. */
export interface Peer {
  readonly node: string
  /** On the underlay, one a family at most. */
  readonly addresses: readonly Ip[]
  /** One a family at most. */
  readonly podRanges: readonly Cidr[]
  /** What it moves Pod packets by now; undefined when it has not said. */
  readonly datapath: DatapathKind | undefined
  /** The MAC of its tunnel end; undefined while it has none. */
  readonly vtepMac: string | undefined
  /** The largest packet of its segment; undefined when it has not said. */
  readonly underlayMtu: number | undefined
}

/** What other nodes must know of this one. */
export interface NodeMarks {
  readonly datapath: DatapathKind
  readonly vtepMac: string | undefined
  readonly underlayMtu: number
}

/** One way to move Pod packets. */
export interface Datapath {
  readonly name: DatapathKind
  /** Devices, kernel parameters and masquerading: true afterwards whatever was before. Pods that exist keep their connections. */
  setUpNode(signal: AbortSignal): Promise<NodeMarks>
  /** Makes the Pod's interface or leaves nothing behind. Errors: CNI_REFUSED when it exists, KERNEL_REFUSED. */
  add(pod: PodInterface): { readonly hostMac: string }
  /** CNI_REFUSED that lists everything which is not as `add` made it. A later plugin may have changed MAC and MTU: `pod` says what they must be now. */
  check(pod: CheckedPodInterface): void
  /** Whether the node has an interface of that name. */
  exists(hostVeth: string): boolean
  /** Removes the interface by its end on the node, then the flows that the kernel tracks of its addresses; gone is no error. */
  del(hostVeth: string, addresses: readonly Ip[]): Promise<void>
  /** Removes Pod interfaces of the network on the node whose end here is not among `keep`. Returns what it removed. */
  gc(keep: ReadonlySet<string>, group: number): Promise<readonly string[]>
  /** Why Pods that exist may not be reached through this bridge; undefined when they may. */
  trouble(bridge: string): string | undefined
  /**
   * Brings routes, neighbours and forwarding entries to exactly these peers; what podwire did not make is left alone. A tunnel that this
   * datapath does not need goes once no peer sends by one any more.
   */
  peersChanged(peers: readonly Peer[], signal: AbortSignal): Promise<void>
}
