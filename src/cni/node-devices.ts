import { release } from 'node:os'

import { PodwireError } from '../base/errors/podwire-error.js'
import { type Cidr, cidrParts, type Ip, type IpFamily, ipFamily, nthAddress } from '../base/net/address.js'
import { setTxChecksumOffload } from '../kernel/ethtool.js'
import type { Link, Rtnetlink, VxlanOptions } from '../kernel/rtnetlink.js'
import { ensureSysctl } from '../kernel/sysctl.js'
import type { NodeStack } from './datapath.js'
import { macOfAddress } from './pod-names.js'
import type { UnderlayAddress } from './uplink.js'

/** What a node's bridge must be. */
export interface NodeBridge {
  readonly name: string
  readonly mtu: number
  /** This node's Pods, one range a family; the first address of each is the gateway. */
  readonly ranges: readonly Cidr[]
  /** Addresses that it has besides, as those of an uplink that is one of its ports. */
  readonly keep: readonly UnderlayAddress[]
}

/** The bridge with the gateways' addresses, up. One that exists keeps its ports; another kind of device of that name is an error. */
export function ensureBridge(rtnetlink: Rtnetlink, { name, mtu, ranges, keep }: NodeBridge): Link {
  const gateways = ranges.map(range => nthAddress(range, 1))
  const mac = macOfAddress(gateways[0]!)
  if (rtnetlink.link(name) === undefined) rtnetlink.addBridge({ name, mtu, mac })
  const bridge = existing(rtnetlink, name, 'bridge')
  // Without a MAC of its own a bridge changes it as ports come and go, and Pods would keep a wrong neighbour.
  if (bridge.mac !== mac || bridge.mtu !== mtu) rtnetlink.changeLink(bridge.index, { mac, mtu })
  const own = gateways.map((gateway, i) => `${gateway}/${cidrParts(ranges[i]!).prefix}`)
  ensureAddresses(rtnetlink, bridge.index, { own, keep: keep.map(({ address, prefix }) => `${address}/${prefix}`) })
  if (!bridge.isUp) rtnetlink.changeLink(bridge.index, { up: true })
  return bridge
}

/** What a node's VXLAN device must be. */
export interface VxlanDevice extends Pick<VxlanOptions, 'vni' | 'port'> {
  readonly name: string
  readonly mtu: number
  readonly uplink: string
  readonly local: Ip
  /** One a family; their first addresses become the device's own. */
  readonly ranges: readonly Cidr[]
}

/**
 * The VXLAN device, up, without learning: peers are told, not found. One with other options is made anew, since the kernel cannot change them.
 *
 * Kernels that get checksums wrong in a tunnel write them all themselves there (see docs/decisions/0020); it costs most of the throughput.
 */
export function ensureVxlan({ rtnetlink, enter }: NodeStack, device: VxlanDevice): Link {
  const { name, mtu, vni, port, local } = device
  const uplink = rtnetlink.link(device.uplink)
  if (uplink === undefined) throw new PodwireError('NOT_FOUND', `the node has no interface ${device.uplink} to the underlay`)
  const addresses = device.ranges.map(range => cidrParts(range).base)
  const mac = macOfAddress(addresses[0]!)
  const wanted: VxlanOptions = { vni, port, local, underlyingLink: uplink.index, learning: false }
  const found = rtnetlink.link(name)
  if (found !== undefined && (found.vxlan === undefined || !isSameVxlan(found.vxlan, wanted))) rtnetlink.deleteLink(found.index)
  if (rtnetlink.link(name) === undefined) rtnetlink.addVxlan({ name, mtu, mac, ...wanted })
  const link = existing(rtnetlink, name, 'vxlan')
  if (link.mac !== mac || link.mtu !== mtu) rtnetlink.changeLink(link.index, { mac, mtu })
  ensureAddresses(rtnetlink, link.index, { own: addresses.map(address => `${address}/${ipFamily(address) === 4 ? 32 : 128}`), keep: [] })
  if (corruptsTunnelChecksums(release())) enter(() => setTxChecksumOffload(name, false))
  if (!link.isUp) rtnetlink.changeLink(link.index, { up: true })
  return { ...link, mac, mtu, isUp: true }
}

/** Kernel parameters without which Pods cannot talk: routing, and bridged packets through iptables (else a same-node ClusterIP fails). */
export function ensureNodeSysctls(
  enter: NodeStack['enter'],
  { links, families }: { readonly links: readonly string[]; readonly families: readonly IpFamily[] },
): void {
  enter(() => {
    ensureSysctl('net/ipv4/ip_forward', '1')
    ensureSysctl('net/bridge/bridge-nf-call-iptables', '1')
    ensureSysctl('net/bridge/bridge-nf-call-ip6tables', '1')
    // On a flat layer 2 a packet leaves by the bridge that it came in by; a Pod told to go straight would do so after the segment is left, too.
    for (const link of ['all', ...links]) ensureSysctl(`net/ipv4/conf/${link}/send_redirects`, '0')
    // A packet after NAT may come in by another way than its answer goes out.
    for (const link of links) ensureSysctl(`net/ipv4/conf/${link}/rp_filter`, '0')
    if (families.includes(6)) ensureSysctl('net/ipv6/conf/all/forwarding', '1')
  })
}

/**
 * Whether a kernel's NAT fills in the outer UDP checksum of a tunnelled packet, which says "none", while the inner one is still left to the device:
 * such packets are dropped as corrupt, and a connection through a Service waits 63 seconds (kubernetes#88986). Linux 5.7 put it right.
 */
export function corruptsTunnelChecksums(kernelRelease: string): boolean {
  const [major = 0, minor = 0] = kernelRelease.split('.').map(Number)
  return major < 5 || (major === 5 && minor < 7)
}

const isSameVxlan = (a: VxlanOptions, b: VxlanOptions): boolean =>
  a.vni === b.vni && a.port === b.port && a.local === b.local && a.underlyingLink === b.underlyingLink && a.learning === b.learning

function existing(rtnetlink: Rtnetlink, name: string, kind: string): Link {
  const link = rtnetlink.link(name)
  if (link?.kind === kind) return link
  throw new PodwireError('ALREADY_EXISTS', `${name} on this node is not a ${kind}`, { hint: `Remove it: ip link delete ${name}` })
}

/** The link has these addresses; others of their families go, as after a change of the Pod range. Link-local ones are the kernel's. */
function ensureAddresses(
  rtnetlink: Rtnetlink,
  link: number,
  { own, keep }: { readonly own: readonly string[]; readonly keep: readonly string[] },
): void {
  const familyOf = (cidr: string) => cidr.includes(':')
  const present = rtnetlink.addresses().filter(address => address.link === link && address.scope !== 'link')
  for (const cidr of own) if (!present.some(address => address.cidr === cidr)) rtnetlink.addAddress({ link, cidr })
  for (const other of present) {
    const isWanted = [...own, ...keep].includes(other.cidr) || !own.some(cidr => familyOf(cidr) === familyOf(other.cidr))
    if (!isWanted) rtnetlink.deleteAddress(other)
  }
}
