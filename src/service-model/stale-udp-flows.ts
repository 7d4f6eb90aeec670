import type { ServicePort, ServiceState } from './service-state.js'

/** What is looked at of a tracked UDP flow. */
export interface UdpFlow {
  readonly orig: { readonly dst: string; readonly dport?: number }
  readonly reply: { readonly src: string; readonly sport?: number }
}

/**
 * The UDP flows to Services that do not end at an endpoint which still serves.
 *
 * UDP has no end of its own: conntrack would send each further packet of such a flow where the first one went. (kube-proxy, pkg/proxy/conntrack.)
 */
export function staleUdpFlows<Flow extends UdpFlow>({ node, ports }: ServiceState, flows: readonly Flow[]): readonly Flow[] {
  const byAddress = new Map<string, ServicePort>()
  const byNodePort = new Map<number, ServicePort>()
  for (const port of ports.values()) {
    if (port.protocol !== 'udp') continue
    for (const ip of [port.clusterIP, ...port.externalIPs, ...port.loadBalancerIPs]) byAddress.set(`${ip} ${port.port}`, port)
    if (port.nodePort !== undefined) byNodePort.set(port.nodePort, port)
  }
  return flows.filter(({ orig, reply }) => {
    const isNated = reply.src !== orig.dst || reply.sport !== orig.dport
    const nodePort = isNated || orig.dst === node.address ? byNodePort.get(orig.dport ?? 0) : undefined
    const port = byAddress.get(`${orig.dst} ${orig.dport}`) ?? nodePort
    return port !== undefined && !port.servingEndpoints.some(({ address, port }) => address === reply.src && port === reply.sport)
  })
}
