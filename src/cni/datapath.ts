import type { DatapathKind } from '../base/config/agent-config.js'
import type { Cidr, Ip } from '../base/net/address.js'
import type { Iptables } from '../kernel/iptables.js'
import type { Rtnetlink } from '../kernel/rtnetlink.js'
import type { Allocation } from './ipam.js'

/** The network stack of the node that a datapath works on. */
export interface NodeStack {
  /** Runs `fn` synchronously with this thread in the node's network namespace. */
  enter<T>(fn: () => T): T
  /** Opened in the node's network namespace. */
  readonly rtnetlink: Rtnetlink
  readonly iptables: Iptables
  /** The rules of IPv6; needed where Pods have both families. */
  readonly ip6tables?: Iptables
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
  readonly bridge: string
  readonly addresses: readonly Allocation[]
}

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
  /** CNI_REFUSED that lists everything which is not as `add` made it. */
  check(pod: PodInterface): void
  /** Removes the interface by its end on the node; gone is no error. */
  del(hostVeth: string): void
  /** Removes Pod interfaces on the node whose other end is not among `keep`. Returns what it removed. */
  gc(keep: ReadonlySet<string>, bridge: string): readonly string[]
  /**
   * Brings routes, neighbours and forwarding entries to exactly these peers; what podwire did not make is left alone. A tunnel that this
   * datapath does not need goes once no peer sends by one any more.
   */
  peersChanged(peers: readonly Peer[], signal: AbortSignal): Promise<void>
}
