import type { NetworkPolicy } from '../api/generated/types.js'
import { selectorMatches } from '../api/selector.js'
import { type ClusterNetworkPolicy, type ClusterRule, isClosed } from './cluster-network-policy.js'
import { decide, policyTypesOf } from './decide.js'
import { type Direction, type PolicyPod, type PolicyWorld, protocolOf } from './policy-world.js'

/** Something about a policy that is likely not meant. */
export interface PolicyFinding {
  readonly kind: 'NetworkPolicy' | 'ClusterNetworkPolicy'
  /** `namespace/name`, or `name`. */
  readonly policy: string
  readonly problem: string
}

/** What is likely not meant in the policies of a world, held against its Pods. */
export const lintPolicies = (world: PolicyWorld): readonly PolicyFinding[] => [
  ...world.policies.flatMap(policy =>
    problemsOf(policy, world).map(
      (problem): PolicyFinding => ({ kind: 'NetworkPolicy', policy: `${policy.metadata?.namespace}/${policy.metadata?.name}`, problem }),
    ),
  ),
  ...world.clusterPolicies.flatMap(policy =>
    clusterProblemsOf(policy).map(
      (problem): PolicyFinding => ({ kind: 'ClusterNetworkPolicy', policy: policy.metadata?.name ?? '', problem }),
    ),
  ),
]

function problemsOf(policy: NetworkPolicy, world: PolicyWorld): readonly string[] {
  const { podSelector = {}, ingress = [], egress = [] } = policy.spec ?? {}
  const selected = world.pods.filter(
    ({ namespace, labels }) => namespace === policy.metadata?.namespace && selectorMatches(podSelector, labels),
  )
  if (selected.length === 0) return ['selects nothing: no Pod of its namespace has these labels']
  const rules = {
    ingress: ingress.map(({ from = [], ports = [] }) => ({ peers: from, ports })),
    egress: egress.map(({ to = [], ports = [] }) => ({ peers: to, ports })),
  }
  return policyTypesOf(policy).flatMap(direction => [
    ...(rules[direction].length === 0 ? [`allows nothing: it has no rule for ${direction}`] : []),
    ...rules[direction].flatMap(({ peers, ports }, i) => {
      const isPeer = (pod: PolicyPod) => peers.some(peer => isMeant(peer, pod, { policy, world }))
      const isEmpty = peers.length > 0 && peers.every(({ ipBlock }) => ipBlock === undefined) && !world.pods.some(isPeer)
      const targets = direction === 'ingress' ? selected : world.pods.filter(pod => peers.length === 0 || isPeer(pod))
      const unknown = ports.filter(
        ({ port, protocol }) =>
          typeof port === 'string' &&
          !targets.some(pod => pod.ports.some(each => each.name === port && each.protocol === protocolOf(protocol))),
      )
      return [
        ...(isEmpty ? [`${direction} rule ${i} allows nothing: no Pod is its peer`] : []),
        ...(isEmpty ? [] : unknown.map(({ port }) => `${direction} rule ${i} names port ${port}, which none of the Pods it goes to has`)),
      ]
    }),
    ...(direction === 'egress' && egress.length > 0 ? dnsProblem(selected, world) : []),
  ])
}

function isMeant(
  {
    namespaceSelector,
    podSelector,
    ipBlock,
  }: NonNullable<NonNullable<NonNullable<NetworkPolicy['spec']>['ingress']>[number]['from']>[number],
  pod: PolicyPod,
  { policy, world }: { readonly policy: NetworkPolicy; readonly world: PolicyWorld },
): boolean {
  if (ipBlock !== undefined) return false
  const isNamespace =
    namespaceSelector === undefined
      ? pod.namespace === policy.metadata?.namespace
      : selectorMatches(namespaceSelector, world.namespaces.get(pod.namespace))
  return isNamespace && selectorMatches(podSelector ?? {}, pod.labels)
}

/** A Pod that may reach something and no name server mostly reaches nothing. */
function dnsProblem(selected: readonly PolicyPod[], world: PolicyWorld): readonly string[] {
  const servers = world.pods.filter(({ labels, addresses }) => labels['k8s-app'] === 'kube-dns' && addresses.length > 0)
  const client = selected.find(({ addresses, labels }) => addresses.length > 0 && labels['k8s-app'] !== 'kube-dns')
  if (servers.length === 0 || client === undefined) return []
  const mayAsk = servers.some(
    server =>
      decide(
        { from: { ip: client.addresses[0]!, pod: client }, to: { ip: server.addresses[0]!, pod: server }, protocol: 'udp', port: 53 },
        world,
      ).egress.isAllowed,
  )
  return mayAsk ? [] : [`forgets DNS: ${client.key} may reach no name server of the cluster on UDP port 53`]
}

function clusterProblemsOf({ spec }: ClusterNetworkPolicy): readonly string[] {
  const directions: readonly Direction[] = ['ingress', 'egress']
  return directions.flatMap(direction =>
    (spec?.[direction] ?? []).flatMap((rule: ClusterRule, i) =>
      isClosed(rule)
        ? [
            rule.action === 'Accept'
              ? `${direction} rule ${i} has a peer or protocol that is not enforced here, as domainNames: it matches nothing by that`
              : `${direction} rule ${i} has a peer or protocol that is not enforced here: it denies everything`,
          ]
        : [],
    ),
  )
}
