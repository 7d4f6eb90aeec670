import { cidrContains, type Ip, ipFamily } from '../base/net/address.js'
import { type Endpoint, isExternallyAccessible, type NodeFacts, type ServicePort } from '../service-model/service-state.js'
import { chainNames, endpointChain, endpointText } from './chain-names.js'
import { probability, type RuleParts, rule, withoutComment } from './rule.js'
import type { ChainRules, Ruleset } from './ruleset.js'

const markForMasquerade = 'KUBE-MARK-MASQ'

export interface RenderStyle {
  /** Comments are for people; where there are very many rules they cost too much. */
  readonly hasComments: boolean
}

/**
 * The chains of one Service port, and its rules in the shared chains.
 * Chains stand before those that jump to them, so that a long list may be cut anywhere.
 */
export function renderServicePort(port: ServicePort, node: NodeFacts, { hasComments }: RenderStyle): Pick<Ruleset, 'nat' | 'filter'> {
  const nat = new Map<string, readonly string[]>()
  if (port.hasEndpoints) {
    for (const endpoint of port.reachableEndpoints) nat.set(endpointChain(port, endpoint), endpointRules(port, endpoint))
    for (const [chain, rules] of policyChains(port, node)) nat.set(chain, rules)
    if (isExternallyAccessible(port)) nat.set(chainNames(port).external, externalRules(port, node))
    if (hasFirewall(port)) nat.set(chainNames(port).firewall, firewallRules(port, node))
  }
  nat.set('KUBE-SERVICES', dispatchRules(port))
  nat.set('KUBE-NODEPORTS', nodePortRules(port))
  const filter = new Map([
    ['KUBE-SERVICES', internalFilterRules(port)],
    ['KUBE-EXTERNAL-SERVICES', externalFilterRules(port)],
    ['KUBE-PROXY-FIREWALL', firewallDrops(port)],
    ['KUBE-NODEPORTS', healthCheckRules(port)],
  ])
  return hasComments ? { nat, filter } : { nat: withoutComments(nat), filter: withoutComments(filter) }
}

const withoutComments = (chains: ChainRules): ChainRules =>
  new Map([...chains].map(([chain, rules]) => [chain, rules.map(withoutComment).filter(text => text !== '')]))

/** Source ranges are looked at only where somebody could be let in. */
const hasFirewall = (port: ServicePort): boolean =>
  port.hasEndpoints && port.loadBalancerIPs.length > 0 && port.loadBalancerSourceRanges.length > 0

const hostRange = (ip: Ip): string => `${ip}/${ipFamily(ip) === 4 ? 32 : 128}`

const to = (port: ServicePort, address: Ip): RuleParts => ({ destination: hostRange(address), protocol: port.protocol, dport: port.port })

const policyChain = (port: ServicePort, policy: 'Cluster' | 'Local'): string => chainNames(port)[policy === 'Local' ? 'local' : 'cluster']

/** Which chain of ours each address of the Service leads to. */
function dispatchRules(port: ServicePort): readonly string[] {
  const { external, firewall } = chainNames(port)
  const internal = policyChain(port, port.internalTrafficPolicy)
  return [
    ...(port.internal === 'forward' ? [rule({ ...to(port, port.clusterIP), comment: `${port.key} cluster IP`, jump: internal })] : []),
    ...(port.hasEndpoints
      ? [
          ...port.externalIPs.map(ip => rule({ ...to(port, ip), comment: `${port.key} external IP`, jump: external })),
          ...port.loadBalancerIPs.map(ip =>
            rule({ ...to(port, ip), comment: `${port.key} loadbalancer IP`, jump: hasFirewall(port) ? firewall : external }),
          ),
        ]
      : []),
  ]
}

/** NodePorts are not subject to the load balancer's source ranges. */
const nodePortRules = (port: ServicePort): readonly string[] =>
  port.nodePort !== undefined && port.hasEndpoints
    ? [rule({ protocol: port.protocol, dport: port.nodePort, comment: port.key, jump: chainNames(port).external })]
    : []

/** The chains that choose an endpoint: one a traffic policy in use. What goes to the ClusterIP from outside the cluster is marked first. */
function policyChains(port: ServicePort, node: NodeFacts): ReadonlyMap<string, readonly string[]> {
  const { cluster, local } = chainNames(port)
  const endpointsOf = new Map([
    [cluster, port.clusterEndpoints],
    [local, port.localEndpoints],
  ])
  const internal = policyChain(port, port.internalTrafficPolicy)
  const chains = new Map<string, readonly string[]>()
  for (const [chain, endpoints] of endpointsOf) {
    if (endpoints.length === 0) continue
    const marks = chain === internal ? clusterIpMarks(port, node) : []
    chains.set(chain, [...marks, ...affinityRules(port, endpoints), ...balanceRules(port, endpoints)])
  }
  return chains
}

function clusterIpMarks(port: ServicePort, { masqueradeAll, localDetector }: NodeFacts): readonly string[] {
  const parts = { ...to(port, port.clusterIP), comment: `${port.key} cluster IP`, jump: markForMasquerade }
  if (masqueradeAll) return [rule(parts)]
  if (localDetector === undefined) return []
  return [
    rule({ ...parts, ...(localDetector.by === 'source' ? { notSource: localDetector.cidr } : { notInInterface: localDetector.name }) }),
  ]
}

/** A client that was at an endpoint within the time goes there again; each endpoint's chain keeps its own list of clients. */
const affinityRules = (port: ServicePort, endpoints: readonly Endpoint[]): readonly string[] =>
  port.affinitySeconds === undefined
    ? []
    : endpoints.map(endpoint => {
        const chain = endpointChain(port, endpoint)
        return rule({
          comment: `${port.key} -> ${endpointText(endpoint)}`,
          lateMatches: [`-m recent --rcheck --seconds ${port.affinitySeconds} --reap ${recentList(chain, endpoint)}`],
          jump: chain,
        })
      })

/** Rule i is reached only if 0..i-1 did not match, so each endpoint gets an equal share. */
const balanceRules = (port: ServicePort, endpoints: readonly Endpoint[]): readonly string[] =>
  endpoints.map((endpoint, i) => {
    const left = endpoints.length - i
    return rule({
      comment: `${port.key} -> ${endpointText(endpoint)}`,
      lateMatches: left === 1 ? [] : [`-m statistic --mode random --probability ${probability(1 / left)}`],
      jump: endpointChain(port, endpoint),
    })
  })

function endpointRules(port: ServicePort, endpoint: Endpoint): readonly string[] {
  const { protocol, key: comment } = port
  const remember = port.affinitySeconds === undefined ? [] : [`-m recent --set ${recentList(endpointChain(port, endpoint), endpoint)}`]
  return [
    // A Pod that reaches itself through a Service must see a foreign source, or its answer never leaves it.
    rule({ source: hostRange(endpoint.address), comment, jump: markForMasquerade }),
    rule({ protocol, comment, lateMatches: remember, jump: `DNAT --to-destination ${endpointText(endpoint)}` }),
  ]
}

const recentList = (chain: string, { address }: Endpoint): string =>
  `--name ${chain} --mask ${ipFamily(address) === 4 ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'} --rsource`

/** All traffic to external addresses comes by here before it goes to the chain of its policy. */
function externalRules(port: ServicePort, { localDetector }: NodeFacts): readonly string[] {
  const { cluster } = chainNames(port)
  const destinations = `for ${port.key} external destinations`
  const onward = port.external === 'forward' ? [rule({ jump: policyChain(port, port.externalTrafficPolicy) })] : []
  // The chosen endpoint may be on another node, whose answer must come back by this one.
  if (port.externalTrafficPolicy === 'Cluster')
    return [rule({ comment: `masquerade traffic ${destinations}`, jump: markForMasquerade }), ...onward]
  const fromHere = ['-m addrtype --src-type LOCAL']
  const podTraffic = { comment: `pod traffic ${destinations}`, jump: cluster }
  return [
    // What Pods and this node send needs not enter by a node with an endpoint: it counts as gone out and come back in elsewhere.
    ...(localDetector === undefined
      ? []
      : [
          rule({
            ...podTraffic,
            ...(localDetector.by === 'source' ? { source: localDetector.cidr } : { inInterface: localDetector.name }),
          }),
        ]),
    // The node's own packets may bear the external address as source.
    rule({ comment: `masquerade LOCAL traffic ${destinations}`, matches: fromHere, jump: markForMasquerade }),
    rule({ comment: `route LOCAL traffic ${destinations}`, matches: fromHere, jump: cluster }),
    ...onward,
  ]
}

/** Lets the source ranges in; who comes to the end was not sent to an endpoint and is dropped by the filter table. */
function firewallRules(port: ServicePort, node: NodeFacts): readonly string[] {
  const { external } = chainNames(port)
  const comment = `${port.key} loadbalancer IP`
  const isNodeAllowed = port.loadBalancerSourceRanges.some(range => cidrContains(range, node.address))
  return [
    ...port.loadBalancerSourceRanges.map(source => rule({ source, comment, jump: external })),
    // A node that holds the address itself sends with it as source.
    ...(isNodeAllowed ? port.loadBalancerIPs.map(ip => rule({ source: hostRange(ip), comment, jump: external })) : []),
    rule({ comment: `other traffic to ${port.key} will be dropped by KUBE-PROXY-FIREWALL` }),
  ]
}

const firewallDrops = (port: ServicePort): readonly string[] =>
  hasFirewall(port)
    ? port.loadBalancerIPs.map(ip =>
        rule({ ...to(port, ip), comment: `${port.key} traffic not accepted by ${chainNames(port).firewall}`, jump: 'DROP' }),
      )
    : []

function refusal(port: ServicePort, fate: 'reject' | 'drop'): RuleParts {
  if (fate === 'drop') return { comment: `${port.key} has no local endpoints`, jump: 'DROP' }
  const answer = ipFamily(port.clusterIP) === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable'
  return { comment: `${port.key} has no endpoints`, jump: `REJECT --reject-with ${answer}` }
}

const internalFilterRules = (port: ServicePort): readonly string[] =>
  port.internal === 'forward' ? [] : [rule({ ...to(port, port.clusterIP), ...refusal(port, port.internal) })]

function externalFilterRules(port: ServicePort): readonly string[] {
  if (port.external === 'forward') return []
  const parts = refusal(port, port.external)
  const { protocol, nodePort } = port
  return [
    ...[...port.externalIPs, ...port.loadBalancerIPs].map(ip => rule({ ...to(port, ip), ...parts })),
    ...(nodePort === undefined ? [] : [rule({ protocol, dport: nodePort, matches: ['-m addrtype --dst-type LOCAL'], ...parts })]),
  ]
}

/** The health check is for load balancers, which a firewall on the node must not lock out. */
const healthCheckRules = ({ key, healthCheckNodePort }: ServicePort): readonly string[] =>
  healthCheckNodePort === undefined
    ? []
    : [rule({ protocol: 'tcp', dport: healthCheckNodePort, comment: `${key} health check node port`, jump: 'ACCEPT' })]
