import { type Cidr, type Ip, ipToBytes, nthAddress, nthSubnet, parseCidr } from '../base/net/address.js'
import { controlPlaneName, mainSegment, routerName } from './host-names.js'
import { places } from './host-places.js'
import type { LabSpec } from './lab-spec.js'
import type { HostRole } from './substrate.js'

/** One broadcast domain of the underlay. */
export interface Segment {
  readonly name: string
  /** One range a family, IPv4 first. */
  readonly subnets: readonly Cidr[]
  /** Largest packet in bytes. */
  readonly mtu: number
}

/** An interface of a host on one segment. */
export interface HostInterface {
  readonly name: string
  readonly segment: Segment
  /** One a family, IPv4 first. */
  readonly addresses: readonly Ip[]
  readonly mac: string
}

/** One host of a lab with all that the lab file fixes about it. */
export interface HostPlan {
  readonly name: string
  readonly role: HostRole
  /** The first address of the first interface. */
  readonly address: Ip
  /** One; of the router one a segment. */
  readonly interfaces: readonly [HostInterface, ...HostInterface[]]
}

/** The IPv6 ranges of a lab with both families; they differ in the fourth group: the segment's or the node's number. */
const ipv6Ranges = { underlay: parseCidr('fd00:172:30::/48'), pods: parseCidr('fd00:10:244::/48'), services: parseCidr('fd00:10:96::/112') }
const ipv6Mask = 64

/** The segments of the underlay, the main one first. */
export function planSegments({ underlay, ipFamily }: LabSpec): readonly Segment[] {
  return [{ name: mainSegment, subnet: underlay.subnet, mtu: underlay.mtu }, ...underlay.segments].map(({ name, subnet, mtu }, i) => ({
    name,
    subnets: [subnet as Cidr, ...(ipFamily === 'dual' ? [nthSubnet(ipv6Ranges.underlay, ipv6Mask, i)] : [])],
    mtu,
  }))
}

/** The addresses on a segment that its hosts' default routes lead to, one a family. */
export const gatewaysOf = ({ subnets }: Segment): readonly Ip[] => subnets.map(subnet => nthAddress(subnet, places.gateway))

/** The hosts in the order of the lab file: control plane, nodes, externals, and the router where there are several segments. Same file, same addresses. */
export function planHosts(spec: LabSpec): readonly HostPlan[] {
  const segments = planSegments(spec)
  const interfaceOn = (segment: Segment, place: number, name = 'eth0'): HostInterface => {
    const addresses = segment.subnets.map(subnet => nthAddress(subnet, place))
    return { name, segment, addresses, mac: macOf(addresses[0]!) }
  }
  const host = (name: string, role: HostRole, interfaces: HostPlan['interfaces']): HostPlan => ({
    name,
    role,
    address: interfaces[0].addresses[0]!,
    interfaces,
  })
  const standing = (name: string, role: HostRole, { segment, place }: { segment: string; place: number }): HostPlan =>
    host(name, role, [interfaceOn(segments.find(each => each.name === segment)!, place)])
  const [main, ...further] = segments
  return [
    standing(controlPlaneName, 'control-plane', { segment: mainSegment, place: places.controlPlane }),
    ...spec.nodes.map(({ name, segment }, i) => standing(name, 'node', { segment, place: places.firstNode + i })),
    ...spec.externals.map(({ name, segment }, i) => standing(name, 'external', { segment, place: places.firstExternal + i })),
    ...(further.length === 0
      ? []
      : [
          host(routerName, 'router', [
            interfaceOn(main!, places.gateway),
            ...further.map((segment, i) => interfaceOn(segment, places.gateway, `eth${i + 1}`)),
          ]),
        ]),
  ]
}

/** The ranges that the cluster's Pods have, one a family, with the prefix length of a node's share. */
export const podRanges = ({ pods, ipFamily }: LabSpec): readonly { readonly cidr: Cidr; readonly nodeMask: number }[] => [
  { cidr: pods.cidr as Cidr, nodeMask: pods.nodeMask },
  ...(ipFamily === 'dual' ? [{ cidr: ipv6Ranges.pods, nodeMask: ipv6Mask }] : []),
]

/** The ranges that the cluster's Services have, one a family. */
export const serviceRanges = ({ services, ipFamily }: LabSpec): readonly Cidr[] => [
  services.cidr as Cidr,
  ...(ipFamily === 'dual' ? [ipv6Ranges.services] : []),
]

/** The Pod ranges of each node by name: the first node has the second share, so that node-1 has 10.244.1.0/24. */
export function nodePodCidrs(spec: LabSpec): Readonly<Record<string, readonly Cidr[]>> {
  const shares = podRanges(spec)
  return Object.fromEntries(spec.nodes.map(({ name }, i) => [name, shares.map(({ cidr, nodeMask }) => nthSubnet(cidr, nodeMask, i + 1))]))
}

/** A locally administered address that shows the IP address in its last four bytes. */
export function macOf(address: Ip): string {
  return ['02', '50', ...[...ipToBytes(address)].map(byte => byte.toString(16).padStart(2, '0'))].join(':')
}
