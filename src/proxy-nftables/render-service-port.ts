import { type Cidr, cidrContains, type Ip, ipFamily, parseCidr } from '../base/net/address.js'
import type { Chain, NftSet, TableContent } from '../kernel/nft-content.js'
import { type Endpoint, isExternallyAccessible, type NodeFacts, type ServicePort } from '../service-model/service-state.js'
import { affinityNames, endpointNames } from './object-names.js'
import { disjoint, endpointKeys, rangeText, wordsOf } from './render-base.js'

const markForMasquerade = 'jump mark-for-masquerade'

/** Where the endpoints for policy Local are numbered from, when traffic to one address may use either list. */
const firstLocal = 65_536

/**
 * What one Service port adds to the table.
 *
 * Maps hold the Services, chains the ways to treat them: `service-ips` sends a packet to the chain of its treatment and its number of endpoints
 * (`internal-tcp-3`), shared by all Services that are alike, which draws a number and looks the endpoint up by address, port and number. So most
 * Services are elements only. One with session affinity has chains of its own.
 */
export function renderServicePort(port: ServicePort, node: NodeFacts): TableContent {
  const chains = new Map<string, Chain>()
  const sets = new Map<string, NftSet & { readonly elements: Map<string, string> }>()
  const put = (set: string, key: string, value = ''): void => {
    const known = sets.get(set) ?? { kind: value === '' ? 'set' : 'map', definition: undefined, elements: new Map<string, string>() }
    known.elements.set(key, value)
    sets.set(set, known)
  }
  /** Names the chain with these rules; it is made if no other Service did. */
  const chain = (name: string, rules: readonly string[]): string => {
    chains.set(name, { hook: '', rules })
    return name
  }
  const numbered = (by: Door, key: string, endpoints: readonly Endpoint[], from = 0): void => {
    for (const [i, { address, port: target }] of endpoints.entries()) {
      put(`${by}-endpoints-${port.protocol}`, `${key} . ${from + i}`, `${address} . ${target}`)
    }
  }
  const addressKey = (ip: Ip): string => `${ip} . ${port.protocol} . ${port.port}`
  const externals = [...port.externalIPs, ...port.loadBalancerIPs].map(addressKey)
  const ownNodePort = port.nodePort === undefined ? [] : [`${port.protocol} . ${port.nodePort}`]

  put('cluster-ips', port.clusterIP)
  if (port.hasEndpoints) for (const { address } of port.reachableEndpoints) put('hairpin-connections', `${address} . ${address}`)
  const choices = port.affinitySeconds === undefined ? sharedChoices(port, node, chain) : stickyChoices(port, node, { chain, sets })

  if (port.internal === 'forward') {
    const endpoints = port.internalTrafficPolicy === 'Local' ? port.localEndpoints : port.clusterEndpoints
    put('service-ips', addressKey(port.clusterIP), `goto ${choices.internal()}`)
    if (choices.isNumbered) numbered('service', `${port.clusterIP} . ${port.port}`, endpoints)
  } else put('no-endpoint-services', addressKey(port.clusterIP), refusal(port.internal))

  if (port.hasEndpoints && isExternallyAccessible(port)) {
    for (const { doors, verdicts, by } of [
      { doors: externals, verdicts: 'service-ips', by: 'service' },
      { doors: ownNodePort, verdicts: 'service-nodeports', by: 'nodeport' },
    ] as const) {
      for (const key of doors) {
        put(verdicts, key, `goto ${choices.external(by)}`)
        if (!choices.isNumbered) continue
        const unprotocolled = key.replace(`${port.protocol} . `, '')
        numbered(by, unprotocolled, port.clusterEndpoints)
        if (port.externalTrafficPolicy === 'Local') numbered(by, unprotocolled, port.localEndpoints, firstLocal)
      }
    }
  }
  if (port.external !== 'forward') {
    for (const key of externals) put('no-endpoint-services', key, refusal(port.external))
    for (const key of ownNodePort) put('no-endpoint-nodeports', key, refusal(port.external))
  }
  if (port.hasEndpoints && port.loadBalancerSourceRanges.length > 0) {
    for (const key of port.loadBalancerIPs.map(addressKey)) {
      put('firewall-ips', key, 'goto firewall-sources-check')
      for (const range of allowedSources(port, node)) put('firewall-sources', `${key} . ${rangeText(range)}`)
    }
  }
  return { chains, sets }
}

const refusal = (fate: 'reject' | 'drop'): string => (fate === 'reject' ? 'goto reject-chain' : 'drop')

/** A node that holds the load balancer's address itself sends with it as source. */
function allowedSources({ loadBalancerSourceRanges, loadBalancerIPs }: ServicePort, node: NodeFacts): readonly Cidr[] {
  const isNodeAllowed = loadBalancerSourceRanges.some(range => cidrContains(range, node.address))
  const own = isNodeAllowed ? loadBalancerIPs.map(ip => parseCidr(`${ip}/${ipFamily(ip) === 4 ? 32 : 128}`)) : []
  return disjoint([...loadBalancerSourceRanges, ...own])
}

/** Whether the packet asks for an address of the Service's own, or for a NodePort. */
type Door = 'service' | 'nodeport'

/** The chains that traffic to the ClusterIP and from outside goes to. */
interface Choices {
  readonly internal: () => string
  readonly external: (by: Door) => string
  /** Whether endpoints are looked up by number. */
  readonly isNumbered: boolean
}

type MakeChain = (name: string, rules: readonly string[]) => string

/** Chains that all Services of as many endpoints share. */
function sharedChoices(port: ServicePort, node: NodeFacts, chain: MakeChain): Choices {
  const { clusterEndpoints, localEndpoints, protocol } = port
  const [all, local] = [clusterEndpoints.length, localEndpoints.length]
  const keys = endpointKeys(node, protocol)
  const draw = (by: Door, count: number, from = 0): string =>
    `dnat ${wordsOf(node).ip} to ${keys[by]} . numgen random mod ${count}${from === 0 ? '' : ` offset ${from}`} map @${by}-endpoints-${protocol}`
  return {
    isNumbered: true,
    internal() {
      const count = port.internalTrafficPolicy === 'Local' ? local : all
      return chain(`internal-${protocol}-${count}`, [...clusterIpMarks(node), draw('service', count)])
    },
    external(by) {
      const toAny = draw(by, all)
      const name = `${by === 'service' ? 'external' : 'nodeport'}-${protocol}-${all}`
      if (port.externalTrafficPolicy === 'Cluster') return chain(name, [markForMasquerade, toAny])
      const onward = local === 0 ? [] : [draw(by, local, firstLocal)]
      return chain(`${name}-local-${local}`, [...shortCut(chain(`any-${name}`, [toAny]), node), ...onward])
    },
  }
}

interface Parts {
  readonly chain: MakeChain
  readonly sets: Map<string, NftSet & { readonly elements: Map<string, string> }>
}

/** Chains of this Service alone: each endpoint remembers its clients, whichever address they came by. */
function stickyChoices(port: ServicePort, node: NodeFacts, { chain, sets }: Parts): Choices {
  const { ip, type } = wordsOf(node)
  const names = affinityNames(port)
  const chooser = (own: string, endpoints: readonly Endpoint[]): string =>
    chain(own, [
      ...endpoints.map(endpoint => {
        const { chain, clients } = endpointNames(port, endpoint)
        return `${ip} saddr @${clients} goto ${chain}`
      }),
      // Rule i is reached only if 0..i-1 did not match, so each endpoint gets an equal share.
      ...endpoints.map((endpoint, i) => {
        const left = endpoints.length - i
        return `${left === 1 ? '' : `numgen random mod ${left} 0 `}goto ${endpointNames(port, endpoint).chain}`
      }),
    ])
  for (const endpoint of port.hasEndpoints ? port.reachableEndpoints : []) {
    const { chain: own, clients } = endpointNames(port, endpoint)
    const definition = `type ${type}; size 65535; flags dynamic,timeout; timeout ${duration(port.affinitySeconds!)}`
    sets.set(clients, { kind: 'set', definition, elements: new Map() })
    const target = ipFamily(endpoint.address) === 6 ? `[${endpoint.address}]:${endpoint.port}` : `${endpoint.address}:${endpoint.port}`
    chain(own, [`update @${clients} { ${ip} saddr }`, `meta l4proto ${port.protocol} dnat to ${target}`])
  }
  return {
    isNumbered: false,
    internal() {
      const isLocal = port.internalTrafficPolicy === 'Local'
      const to = isLocal ? chooser(names.local, port.localEndpoints) : chooser(names.cluster, port.clusterEndpoints)
      return chain(names.internal, [...clusterIpMarks(node), `goto ${to}`])
    },
    external() {
      const toAny = chooser(names.cluster, port.clusterEndpoints)
      if (port.externalTrafficPolicy === 'Cluster') return chain(names.external, [markForMasquerade, `goto ${toAny}`])
      const onward = port.localEndpoints.length === 0 ? [] : [`goto ${chooser(names.local, port.localEndpoints)}`]
      return chain(names.external, [...shortCut(toAny, node), ...onward])
    },
  }
}

/** What comes to a ClusterIP from outside the cluster must come back by this node. */
function clusterIpMarks(node: NodeFacts): readonly string[] {
  const { masqueradeAll, localDetector } = node
  if (masqueradeAll) return [markForMasquerade]
  if (localDetector === undefined) return []
  return [`${sourceMatch(localDetector, node, '!= ')} ${markForMasquerade}`]
}

/** What Pods and this node send needs not enter by a node with an endpoint: it counts as gone out and come back in elsewhere. */
function shortCut(toAny: string, node: NodeFacts): readonly string[] {
  const { localDetector } = node
  return [
    ...(localDetector === undefined ? [] : [`${sourceMatch(localDetector, node)} goto ${toAny}`]),
    `fib saddr type local ${markForMasquerade}`,
    `fib saddr type local goto ${toAny}`,
  ]
}

const sourceMatch = (by: NonNullable<NodeFacts['localDetector']>, node: NodeFacts, not = ''): string =>
  by.by === 'source' ? `${wordsOf(node).ip} saddr ${not}${rangeText(by.cidr)}` : `iifname ${not}"${by.name.replace(/\+$/, '*')}"`

/** As nft prints a time: `3h`, `1d2h3m4s`. */
function duration(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const
  return parts.map(([count, unit]) => (count === 0 ? '' : `${count}${unit}`)).join('')
}
