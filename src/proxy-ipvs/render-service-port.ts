import { type Cidr, cidrContains, cidrParts, type Ip, nthSubnet } from '../base/net/address.js'
import type { Destination } from '../kernel/ipvs.js'
import type { Endpoint, NodeFacts, ServicePort } from '../service-model/service-state.js'
import { destinationId, type EntryId, type IpvsContent, type ServedAddress, serverId } from './ipvs-content.js'
import type { SetId } from './object-names.js'

/** What rendering looks at besides the Service port. */
export interface RenderContext {
  readonly node: NodeFacts
  /** The node's own addresses of the family: all but loopback's, link-local ones and those of the Service device. */
  readonly localAddresses: readonly Ip[]
  readonly scheduler: string
}

const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const
const [drained, served] = [0, 1]
export const weights = { drained, served } as const

/** The kernel objects of one Service port: a virtual server for each of its addresses, and what the rules must know of them. */
export function renderServicePort(port: ServicePort, context: RenderContext): IpvsContent {
  const { node, localAddresses } = context
  const entries = new Set<EntryId>()
  const enter = (set: SetId, entry: string | number): void => void entries.add(`${set} ${entry}`)
  const servers = new Map<string, ServedAddress>()
  const serve = (address: Ip, number: number, endpoints: readonly Endpoint[]): void => {
    const server = virtualServer(port, address, number, context)
    servers.set(serverId(server), { server, destinations: destinationsOf(endpoints) })
  }
  const isLocal = port.externalTrafficPolicy === 'Local'
  const internal = endpointsFor(port, port.internalTrafficPolicy)
  const external = endpointsFor(port, port.externalTrafficPolicy)

  serve(port.clusterIP, port.port, internal)
  enter('CLUSTER-IP', at(port, port.clusterIP))
  for (const ip of port.externalIPs) {
    serve(ip, port.port, external)
    enter(isLocal ? 'EXTERNAL-IP-LOCAL' : 'EXTERNAL-IP', at(port, ip))
  }
  for (const ip of port.loadBalancerIPs) {
    serve(ip, port.port, external)
    enter('LOAD-BALANCER', at(port, ip))
    if (isLocal) enter('LOAD-BALANCER-LOCAL', at(port, ip))
    for (const range of port.loadBalancerSourceRanges.flatMap(setRanges)) enter('LOAD-BALANCER-SOURCE-CIDR', `${at(port, ip)},${range}`)
    // A node that is let in reaches the address from the address itself, which the Service device holds.
    if (isNodeAllowed(port, node)) enter('LOAD-BALANCER-SOURCE-IP', `${at(port, ip)},${ip}`)
    if (port.loadBalancerSourceRanges.length > 0) enter('LOAD-BALANCER-FW', at(port, ip))
  }
  if (port.nodePort !== undefined) {
    const { nodePort } = port
    const nodeAddresses = localAddresses.filter(ip => isNodePortAddress(ip, node))
    for (const ip of nodeAddresses) serve(ip, nodePort, external)
    for (const kind of isLocal ? (['NODE-PORT', 'NODE-PORT-LOCAL'] as const) : (['NODE-PORT'] as const)) {
      if (port.protocol !== 'sctp') enter(`${kind}-${port.protocol === 'tcp' ? 'TCP' : 'UDP'}`, nodePort)
      else for (const ip of nodeAddresses) enter(`${kind}-SCTP-HASH`, `${ip},sctp:${nodePort}`)
    }
  }
  if (port.healthCheckNodePort !== undefined) enter('HEALTH-CHECK-NODE-PORT', port.healthCheckNodePort)
  // A Pod that reaches itself through a Service must see a foreign source, or its answer never leaves it.
  for (const { address, port: target, isLocal } of port.reachableEndpoints) {
    if (isLocal) enter('LOOP-BACK', `${address},${port.protocol}:${target},${address}`)
  }

  // An external address that the node has anyway stays where it is.
  const addresses = new Set([port.clusterIP, ...[...port.externalIPs, ...port.loadBalancerIPs].filter(ip => !localAddresses.includes(ip))])
  for (const ip of addresses) enter('IPVS-IPS', ip)
  return { servers, addresses, entries, outRules: outRules(port, node) }
}

/** With policy Local and no endpoint here, IPVS sends to all there are: without a destination it could not tell dropping from refusing. */
const endpointsFor = (port: ServicePort, policy: 'Cluster' | 'Local'): readonly Endpoint[] =>
  policy === 'Local' && port.localEndpoints.length > 0 ? port.localEndpoints : port.clusterEndpoints

const at = ({ protocol, port }: ServicePort, ip: Ip): string => `${ip},${protocol}:${port}`

const virtualServer = ({ protocol, affinitySeconds }: ServicePort, address: Ip, port: number, { scheduler }: RenderContext) => ({
  protocol,
  address,
  port,
  scheduler,
  // A client's connections are spread too, not only clients.
  hashesPort: scheduler === 'mh',
  ...(affinitySeconds === undefined ? {} : { persistenceSeconds: affinitySeconds }),
})

const destinationsOf = (endpoints: readonly Endpoint[]): ReadonlyMap<string, Destination> =>
  new Map(endpoints.map(({ address, port }) => [destinationId({ address, port }), { address, port, weight: weights.served }]))

const isNodePortAddress = (ip: Ip, { nodePortAddresses }: NodeFacts): boolean =>
  nodePortAddresses === 'all' || nodePortAddresses.some(range => cidrContains(range, ip))

/** A range as a set of nets holds it: a single address without its prefix, everything as two halves. */
function setRanges(range: Cidr): readonly string[] {
  const { base, prefix, family } = cidrParts(range)
  if (prefix === 0) return [nthSubnet(range, 1, 0), nthSubnet(range, 1, 1)]
  return [prefix === (family === 4 ? 32 : 128) ? base : range]
}

const isNodeAllowed = ({ loadBalancerSourceRanges }: ServicePort, { address }: NodeFacts): boolean =>
  loadBalancerSourceRanges.some(range => cidrContains(range, address))

/** The node's own packets pass no INPUT before IPVS rewrites them; afterwards only IPVS knows where they were going. */
const outRules = (port: ServicePort, node: NodeFacts): readonly string[] =>
  port.loadBalancerSourceRanges.length === 0 || isNodeAllowed(port, node)
    ? []
    : port.loadBalancerIPs.map(
        ip =>
          `-m addrtype --src-type LOCAL -m ipvs --vproto ${protocolNumbers[port.protocol]} --vaddr ${ip} ` + `--vport ${port.port} -j DROP`,
      )
