import fc from 'fast-check'

import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../src/api/generated/types.js'
import type { ClusterNetworkPolicy, ClusterPeer, ClusterProtocol } from '../../src/netpol/cluster-network-policy.js'

/** What random policies are about: small, so that much of it hits. */
export interface PolicyVocabulary {
  readonly namespaces: readonly string[]
  readonly labels: Readonly<Record<string, readonly string[]>>
  readonly ranges: readonly { readonly cidr: string; readonly except?: string[] }[]
  readonly ports: readonly number[]
  readonly names: readonly string[]
}

const selector = ({ labels }: PolicyVocabulary): fc.Arbitrary<LabelSelector> => {
  const keys = Object.keys(labels)
  return fc.oneof(
    fc.constant({}),
    fc.constantFrom(...keys).chain(key => fc.constantFrom(...labels[key]!).map(value => ({ matchLabels: { [key]: value } }))),
    fc
      .constantFrom(...keys)
      .chain(key =>
        fc.record({
          key: fc.constant(key),
          operator: fc.constantFrom('In', 'NotIn'),
          values: fc.subarray([...labels[key]!], { minLength: 1 }),
        }),
      )
      .map(expression => ({ matchExpressions: [expression] })),
    fc
      .record({ key: fc.constantFrom(...keys), operator: fc.constantFrom('Exists', 'DoesNotExist') })
      .map(expression => ({ matchExpressions: [expression] })),
  )
}

const some = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(of, { maxLength: 2 })

function peer(words: PolicyVocabulary): fc.Arbitrary<NetworkPolicyPeer> {
  return fc.oneof(
    fc.record({ podSelector: selector(words) }),
    fc.record({ namespaceSelector: selector(words) }),
    fc.record({ namespaceSelector: selector(words), podSelector: selector(words) }),
    fc.constantFrom(...words.ranges).map(ipBlock => ({ ipBlock })),
  )
}

function port({ ports, names }: PolicyVocabulary): fc.Arbitrary<NetworkPolicyPort> {
  const protocol = fc.constantFrom('TCP', 'UDP', 'SCTP')
  return fc.oneof(
    fc.record({ protocol }),
    fc.record({ port: fc.constantFrom(...ports) }),
    fc.record({ protocol, port: fc.constantFrom<number | string>(...ports, ...names) }),
    fc
      .constantFrom(...ports)
      .chain(from => fc.record({ protocol, port: fc.constant(from), endPort: fc.integer({ min: from, max: from + 30 }) })),
  )
}

/** NetworkPolicies of every shape that the API takes. */
export const networkPolicies = (words: PolicyVocabulary): fc.Arbitrary<NetworkPolicy[]> =>
  fc
    .array(
      fc.record({
        namespace: fc.constantFrom(...words.namespaces),
        podSelector: selector(words),
        policyTypes: fc.constantFrom(['Ingress'], ['Egress'], ['Ingress', 'Egress'], []),
        ingress: some(fc.record({ from: some(peer(words)), ports: some(port(words)) })),
        egress: some(fc.record({ to: some(peer(words)), ports: some(port(words)) })),
      }),
      { maxLength: 5 },
    )
    .map(all => all.map(({ namespace, ...spec }, i) => ({ metadata: { namespace, name: `p${i}` }, spec })))

/** ClusterNetworkPolicies of both tiers. */
export function clusterPolicies(words: PolicyVocabulary): fc.Arbitrary<ClusterNetworkPolicy[]> {
  const pods = fc.record({ namespaceSelector: selector(words), podSelector: selector(words) })
  const podPeer: fc.Arbitrary<ClusterPeer> = fc.oneof(fc.record({ namespaces: selector(words) }), fc.record({ pods }))
  const anyPeer: fc.Arbitrary<ClusterPeer> = fc.oneof(
    podPeer,
    fc.constant({ nodes: {} }),
    fc.constantFrom(...words.ranges).map(({ cidr }) => ({ networks: [cidr] })),
    fc.constant({ domainNames: ['example.org'] }),
  )
  const destinationPort = fc.oneof(
    fc.record({ number: fc.constantFrom(...words.ports) }),
    fc.constantFrom(...words.ports).map(start => ({ range: { start, end: start + 10 } })),
  )
  const match: fc.Arbitrary<ClusterProtocol> = fc.oneof(
    fc.record({ tcp: fc.record({ destinationPort }) }),
    fc.record({ udp: fc.record({ destinationPort }) }),
    fc.record({ destinationNamedPort: fc.constantFrom(...words.names) }),
  )
  const action = fc.constantFrom('Accept' as const, 'Deny' as const, 'Pass' as const)
  const protocols = fc.array(match, { minLength: 1, maxLength: 2 })
  const rule = (key: 'from' | 'to', peers: fc.Arbitrary<ClusterPeer>) =>
    fc.record({ action, [key]: fc.array(peers, { minLength: 1, maxLength: 2 }), protocols }, { requiredKeys: ['action', key] })
  return fc
    .array(
      fc.record({
        tier: fc.constantFrom('Admin' as const, 'Baseline' as const),
        priority: fc.integer({ min: 0, max: 3 }),
        subject: podPeer,
        ingress: some(rule('from', podPeer)),
        egress: some(rule('to', anyPeer)),
      }),
      { maxLength: 3 },
    )
    .map(all => all.map((spec, i) => ({ metadata: { name: `c${i}` }, spec }) as ClusterNetworkPolicy))
}
