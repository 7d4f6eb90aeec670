import { type Cidr, cidrContains, cidrParts } from '../base/net/address.js'
import type { Chain, NftSet, TableContent } from '../kernel/nft-content.js'
import type { NodeFacts, Protocol } from '../service-model/service-state.js'

/** The words of one address family. */
export const wordsOf = ({ family }: Pick<NodeFacts, 'family'>) =>
  family === 4
    ? ({ ip: 'ip', type: 'ipv4_addr', loopback: '127.0.0.0/8' } as const)
    : ({ ip: 'ip6', type: 'ipv6_addr', loopback: '::1' } as const)

/** What an address and port are looked up by, before translation. */
export const serviceKey = (node: NodeFacts): string => `${wordsOf(node).ip} daddr . ${nodePortKey}`
export const nodePortKey = 'meta l4proto . th dport'

/** What an endpoint is looked up by: what the packet asks for, and a number; of a NodePort the address does not matter. */
export const endpointKeys = (node: NodeFacts, protocol: Protocol) => ({
  service: `${wordsOf(node).ip} daddr . ${protocol} dport`,
  nodeport: `${protocol} dport`,
})

/**
 * The part of the table that no Service changes: the hooks, the chains they lead through, and the empty maps.
 *
 * With kube-proxy's names, hooks and order. The one difference in shape is how an endpoint is chosen: see `renderServicePort`.
 */
export function renderBase(node: NodeFacts): TableContent {
  return { chains: new Map(Object.entries(baseChains(node)).map(([name, rules]) => [name, chain(name, rules)])), sets: baseSets(node) }
}

/** Filters look at new connections only: an established one was judged before. */
const onlyNew = 'ct state new'

/**
 * Endpoints have a map a protocol: nft 1.0.6 takes back from the kernel no map whose value is `ip daddr . th dport`
 * ("conflicting protocols specified"), and with `tcp dport` in it look-ups are made for TCP alone.
 */
const protocols: readonly Protocol[] = ['tcp', 'udp', 'sctp']

const hooks: Readonly<Record<string, string>> = {
  'filter-prerouting-pre-dnat': 'type filter hook prerouting priority dstnat - 10; policy accept;',
  'filter-output-pre-dnat': 'type filter hook output priority -110; policy accept;',
  'filter-input': 'type filter hook input priority filter; policy accept;',
  'filter-forward': 'type filter hook forward priority filter; policy accept;',
  'filter-output': 'type filter hook output priority filter; policy accept;',
  'nat-prerouting': 'type nat hook prerouting priority dstnat; policy accept;',
  'nat-output': 'type nat hook output priority -100; policy accept;',
  'nat-postrouting': 'type nat hook postrouting priority srcnat; policy accept;',
}

const chain = (name: string, rules: readonly string[]): Chain => ({ hook: hooks[name] ?? '', rules })

function baseChains(node: NodeFacts): Readonly<Record<string, readonly string[]>> {
  const { ip } = wordsOf(node)
  const key = serviceKey(node)
  const mark = `0x${node.masqueradeMark.toString(16).padStart(8, '0')}`
  return {
    'mark-for-masquerade': [`meta mark set meta mark | ${mark}`],
    'reject-chain': ['reject'],
    masquerading: [
      // A Pod that reaches itself through a Service must see a foreign source, or its answer never leaves it.
      `${ip} saddr . ${ip} daddr @hairpin-connections masquerade fully-random`,
      `meta mark & ${mark} == 0x00000000 return`,
      // The mark is taken off, lest a packet that comes by here twice (through a tunnel) be masqueraded twice.
      `meta mark set meta mark ^ ${mark}`,
      'masquerade fully-random',
    ],
    services: [`${key} vmap @service-ips`, `${nodePortMatch(node)} ${nodePortKey} vmap @service-nodeports`],
    'service-endpoints-check': [`${key} vmap @no-endpoint-services`],
    'nodeport-endpoints-check': [`${nodePortMatch(node)} ${nodePortKey} vmap @no-endpoint-nodeports`],
    // What comes here was not translated: no Service has that port, or nobody the address.
    'cluster-ips-check': [`${ip} daddr @cluster-ips reject`, `${ip} daddr @service-ranges drop`],
    'firewall-check': [`${key} vmap @firewall-ips`],
    'firewall-sources-check': [`${key} . ${ip} saddr @firewall-sources return`, 'drop'],
    'filter-prerouting-pre-dnat': [`${onlyNew} jump firewall-check`],
    'filter-output-pre-dnat': [`${onlyNew} jump firewall-check`],
    'filter-input': [`${onlyNew} jump nodeport-endpoints-check`, `${onlyNew} jump service-endpoints-check`],
    'filter-forward': [`${onlyNew} jump service-endpoints-check`, `${onlyNew} jump cluster-ips-check`],
    'filter-output': [`${onlyNew} jump service-endpoints-check`, `${onlyNew} jump cluster-ips-check`],
    'nat-prerouting': ['jump services'],
    'nat-output': ['jump services'],
    'nat-postrouting': ['jump masquerading'],
  }
}

/** 127.0.0.1 is never among them: its packets cannot leave the node, whatever their source becomes. */
function nodePortMatch(node: NodeFacts): string {
  const { ip, loopback } = wordsOf(node)
  return node.nodePortAddresses === 'all'
    ? `fib daddr type local ${ip} daddr != ${loopback}`
    : `fib daddr type local ${ip} daddr @nodeport-ips`
}

function baseSets(node: NodeFacts): ReadonlyMap<string, NftSet> {
  const { ip, type } = wordsOf(node)
  const addressAndPort = `${type} . inet_proto . inet_service`
  const nodePorts = node.nodePortAddresses === 'all' ? [] : node.nodePortAddresses
  const set = (definition: string, elements: readonly string[] = []): NftSet => ({
    kind: 'set',
    definition,
    elements: new Map(elements.map(element => [element, ''])),
  })
  const map = (definition: string): NftSet => ({ kind: 'map', definition, elements: new Map() })
  return new Map<string, NftSet>([
    ['cluster-ips', set(`type ${type}`)],
    ['service-ranges', set(`type ${type}; flags interval`, disjoint(node.serviceRanges).map(rangeText))],
    ['nodeport-ips', set(`type ${type}; flags interval`, disjoint(nodePorts).map(rangeText))],
    ['hairpin-connections', set(`type ${type} . ${type}`)],
    ['firewall-sources', set(`type ${addressAndPort} . ${type}; flags interval`)],
    ['service-ips', map(`type ${addressAndPort} : verdict`)],
    ['service-nodeports', map('type inet_proto . inet_service : verdict')],
    ['no-endpoint-services', map(`type ${addressAndPort} : verdict`)],
    ['no-endpoint-nodeports', map('type inet_proto . inet_service : verdict')],
    ['firewall-ips', map(`type ${addressAndPort} : verdict`)],
    ...protocols.flatMap(protocol => {
      const { service, nodeport } = endpointKeys(node, protocol)
      // A number has no type of its own that could be named, so the types are those of these expressions.
      const keyed = (key: string) => map(`typeof ${key} . numgen random mod 1 : ${ip} daddr . ${protocol} dport`)
      return [[`service-endpoints-${protocol}`, keyed(service)] as const, [`nodeport-endpoints-${protocol}`, keyed(nodeport)] as const]
    }),
  ])
}

/** As nft prints a range; one address stands alone. */
export function rangeText(cidr: Cidr): string {
  const { base, prefix, family } = cidrParts(cidr)
  return prefix === (family === 4 ? 32 : 128) ? base : `${base}/${prefix}`
}

/** The ranges without those that lie in others: an interval set takes no overlap. */
export const disjoint = (cidrs: readonly Cidr[]): readonly Cidr[] =>
  [...new Set(cidrs)].filter(cidr => {
    const { base, prefix } = cidrParts(cidr)
    return !cidrs.some(other => cidrParts(other).prefix < prefix && cidrContains(other, base))
  })
