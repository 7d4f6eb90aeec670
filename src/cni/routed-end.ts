import { type Ip, type IpFamily, ipFamily, parseIp } from '../base/net/address.js'
import type { Link } from '../kernel/rtnetlink.js'
import { ensureSysctl } from '../kernel/sysctl.js'
import type { NodeStack, PodInterface } from './datapath.js'

/** The next hop of every routed Pod, in each family: an address of its own host veth, the same on all of them. */
export const routedGateways: Readonly<Record<IpFamily, Ip>> = { 4: parseIp('169.254.1.1'), 6: parseIp('fe80::1') }

/** RTPROT value of the routes to single Pods. Routes to other nodes bear `routeProtocol`: who keeps those in order leaves these alone. */
export const podRouteProtocol = 87

/** The length of a route to one address. */
export const hostPrefix = (address: Ip): 32 | 128 => (ipFamily(address) === 4 ? 32 : 128)

/**
 * The node's end of a routed Pod: the gateways' addresses, and a route to each of the Pod's.
 *
 * An address of the link answers ARP and neighbour solicitations by itself, so nothing is proxied. The IPv4 one has host scope: the node's own
 * packets to the Pod then bear the node's address, which the Pod can answer by its default route.
 */
export function connectRouted({ rtnetlink, enter }: Pick<NodeStack, 'rtnetlink' | 'enter'>, pod: PodInterface, host: Link): void {
  const families = new Set(pod.addresses.map(({ address }) => ipFamily(address)))
  enter(() => {
    if (families.has(4)) {
      ensureSysctl('net/ipv4/ip_forward', '1')
      // The answer to a packet after NAT may go out by another way than it came.
      ensureSysctl(`net/ipv4/conf/${host.name}/rp_filter`, '0')
    }
    if (families.has(6)) {
      ensureSysctl('net/ipv6/conf/all/forwarding', '1')
      ensureSysctl(`net/ipv6/conf/${host.name}/accept_ra`, '0')
    }
  })
  for (const family of families) {
    const cidr = family === 4 ? `${routedGateways[4]}/32` : `${routedGateways[6]}/64`
    rtnetlink.addAddress({ link: host.index, cidr, scope: family === 4 ? 'host' : 'link' })
  }
  for (const { address } of pod.addresses) {
    rtnetlink.replaceRoute({ destination: `${address}/${hostPrefix(address)}`, link: host.index, protocol: podRouteProtocol })
  }
}

/** What of it is not so. */
export function routedProblems(
  { rtnetlink }: Pick<NodeStack, 'rtnetlink'>,
  pod: Pick<PodInterface, 'addresses'>,
  host: Link,
): readonly string[] {
  const routes = rtnetlink.routes().filter(({ link }) => link === host.index)
  const addresses = rtnetlink.addresses().filter(({ link }) => link === host.index)
  return pod.addresses.flatMap(({ address }) => {
    const [destination, gateway] = [`${address}/${hostPrefix(address)}`, routedGateways[ipFamily(address)]]
    return [
      ...(routes.some(route => route.destination === destination) ? [] : [`the node has no route to ${address} by ${host.name}`]),
      ...(addresses.some(({ cidr }) => cidr.startsWith(`${gateway}/`)) ? [] : [`${host.name} lacks the gateway's address ${gateway}`]),
    ]
  })
}
