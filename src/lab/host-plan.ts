import { type Cidr, type Ip, ipToBytes, nthAddress, nthSubnet } from '../base/net/address.js'
import { controlPlaneName } from './host-names.js'
import { places } from './host-places.js'
import type { LabSpec } from './lab-spec.js'
import type { HostRole } from './substrate.js'

/** One host of a lab with all that the lab file fixes about it. */
export interface HostPlan {
  readonly name: string
  readonly role: HostRole
  readonly address: Ip
  readonly mac: string
}

/** The address that every host's default route leads to. */
export const gatewayAddress = (spec: LabSpec): Ip => nthAddress(spec.underlay.subnet as Cidr, places.gateway)

/** The hosts in the order of the lab file: control plane, nodes, externals. Same file, same addresses. */
export function planHosts(spec: LabSpec): readonly HostPlan[] {
  const host = (name: string, role: HostRole, place: number): HostPlan => {
    const address = nthAddress(spec.underlay.subnet as Cidr, place)
    return { name, role, address, mac: macOf(address) }
  }
  return [
    host(controlPlaneName, 'control-plane', places.controlPlane),
    ...spec.nodes.map(({ name }, i) => host(name, 'node', places.firstNode + i)),
    ...spec.externals.map(({ name }, i) => host(name, 'external', places.firstExternal + i)),
  ]
}

/** The Pod range of each node by name: the first node has the second range, so that node-1 has 10.244.1.0/24. */
export function nodePodCidrs(spec: LabSpec): Readonly<Record<string, Cidr>> {
  const { cidr, nodeMask } = spec.pods
  return Object.fromEntries(spec.nodes.map(({ name }, i) => [name, nthSubnet(cidr as Cidr, nodeMask, i + 1)]))
}

/** A locally administered address that shows the IP address in its last four bytes. */
export function macOf(address: Ip): string {
  return ['02', '50', ...[...ipToBytes(address)].map(byte => byte.toString(16).padStart(2, '0'))].join(':')
}
