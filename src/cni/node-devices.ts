import { PodwireError } from '../base/errors/podwire-error.js'
import { type Cidr, cidrParts, type Ip, nthAddress } from '../base/net/address.js'
import { setTxChecksumOffload } from '../kernel/ethtool.js'
import type { Link, Rtnetlink, VxlanOptions } from '../kernel/rtnetlink.js'
import { ensureSysctl } from '../kernel/sysctl.js'
import type { NodeStack } from './datapath.js'
import { macOfAddress } from './pod-names.js'

/** The bridge with the gateway's address, up. One that exists keeps its ports; another kind of device of that name is an error. */
export function ensureBridge(rtnetlink: Rtnetlink, { name, mtu, range }: { name: string; mtu: number; range: Cidr }): Link {
  const gateway = nthAddress(range, 1)
  const mac = macOfAddress(gateway)
  if (rtnetlink.link(name) === undefined) rtnetlink.addBridge({ name, mtu, mac })
  const bridge = existing(rtnetlink, name, 'bridge')
  // Without a MAC of its own a bridge changes it as ports come and go, and Pods would keep a wrong neighbour.
  if (bridge.mac !== mac || bridge.mtu !== mtu) rtnetlink.changeLink(bridge.index, { mac, mtu })
  ensureOnlyAddress(rtnetlink, bridge.index, `${gateway}/${cidrParts(range).prefix}`)
  if (!bridge.isUp) rtnetlink.changeLink(bridge.index, { up: true })
  return bridge
}

/** What a node's VXLAN device must be. */
export interface VxlanDevice extends Pick<VxlanOptions, 'vni' | 'port'> {
  readonly name: string
  readonly mtu: number
  readonly uplink: string
  readonly local: Ip
  /** Its first address becomes the device's own. */
  readonly range: Cidr
}

/**
 * The VXLAN device, up, without learning: peers are told, not found. One with other options is made anew, since the kernel cannot change them.
 *
 * Transmit offloading is off, so that every packet on the underlay carries complete checksums: a kernel that got an offloaded checksum inside
 * VXLAN wrong delayed connections through Services by 63 seconds (kubernetes#88986).
 */
export function ensureVxlan({ rtnetlink, enter }: NodeStack, device: VxlanDevice): Link {
  const { name, mtu, vni, port, local } = device
  const uplink = rtnetlink.link(device.uplink)
  if (uplink === undefined) throw new PodwireError('NOT_FOUND', `the node has no interface ${device.uplink} to the underlay`)
  const address = cidrParts(device.range).base
  const mac = macOfAddress(address)
  const wanted: VxlanOptions = { vni, port, local, underlyingLink: uplink.index, learning: false }
  const found = rtnetlink.link(name)
  if (found !== undefined && (found.vxlan === undefined || !isSameVxlan(found.vxlan, wanted))) rtnetlink.deleteLink(found.index)
  if (rtnetlink.link(name) === undefined) rtnetlink.addVxlan({ name, mtu, mac, ...wanted })
  const link = existing(rtnetlink, name, 'vxlan')
  if (link.mac !== mac || link.mtu !== mtu) rtnetlink.changeLink(link.index, { mac, mtu })
  ensureOnlyAddress(rtnetlink, link.index, `${address}/32`)
  enter(() => setTxChecksumOffload(name, false))
  if (!link.isUp) rtnetlink.changeLink(link.index, { up: true })
  return { ...link, mac, mtu, isUp: true }
}

/** Kernel parameters without which Pods cannot talk: routing, and bridged packets through iptables (else a same-node ClusterIP fails). */
export function ensureNodeSysctls(enter: NodeStack['enter'], links: readonly string[]): void {
  enter(() => {
    ensureSysctl('net/ipv4/ip_forward', '1')
    ensureSysctl('net/bridge/bridge-nf-call-iptables', '1')
    ensureSysctl('net/bridge/bridge-nf-call-ip6tables', '1')
    // A packet after NAT may come in by another way than its answer goes out.
    for (const link of links) ensureSysctl(`net/ipv4/conf/${link}/rp_filter`, '0')
  })
}

const isSameVxlan = (a: VxlanOptions, b: VxlanOptions): boolean =>
  a.vni === b.vni && a.port === b.port && a.local === b.local && a.underlyingLink === b.underlyingLink && a.learning === b.learning

function existing(rtnetlink: Rtnetlink, name: string, kind: string): Link {
  const link = rtnetlink.link(name)
  if (link?.kind === kind) return link
  throw new PodwireError('ALREADY_EXISTS', `${name} on this node is not a ${kind}`, { hint: `Remove it: ip link delete ${name}` })
}

/** The address of the link in its family is this one; others of that family go, as after a change of the Pod range. */
function ensureOnlyAddress(rtnetlink: Rtnetlink, link: number, cidr: string): void {
  const present = rtnetlink.addresses().filter(address => address.link === link && address.cidr.includes(':') === cidr.includes(':'))
  if (!present.some(address => address.cidr === cidr)) rtnetlink.addAddress({ link, cidr })
  for (const other of present.filter(address => address.cidr !== cidr)) rtnetlink.deleteAddress(other)
}
