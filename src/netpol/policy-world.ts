import type { Namespace, NetworkPolicy, Node, Pod } from '../api/generated/types.js'
import { type Ip, isIp, parseIp } from '../base/net/address.js'
import type { ClusterNetworkPolicy } from './cluster-network-policy.js'

export type Labels = Readonly<Record<string, string>>
export type PolicyProtocol = 'tcp' | 'udp' | 'sctp'
export type Direction = 'ingress' | 'egress'

/** A port of a container that has a name. */
export interface NamedPort {
  readonly name: string
  readonly protocol: PolicyProtocol
  readonly port: number
}

/** A Pod as policies see it: on the Pod network, and not at its end. */
export interface PolicyPod {
  /** `namespace/name`. */
  readonly key: string
  readonly namespace: string
  readonly labels: Labels
  readonly node: string | undefined
  readonly addresses: readonly Ip[]
  readonly ports: readonly NamedPort[]
  /** Milliseconds; of two Pods with one address the younger has it. */
  readonly bornAt: number
}

export interface PolicyNode {
  readonly name: string
  readonly labels: Labels
  readonly addresses: readonly Ip[]
}

/** Everything that a verdict rests on. */
export interface PolicyWorld {
  readonly pods: readonly PolicyPod[]
  readonly namespaces: ReadonlyMap<string, Labels>
  readonly nodes: readonly PolicyNode[]
  readonly policies: readonly NetworkPolicy[]
  readonly clusterPolicies: readonly ClusterNetworkPolicy[]
}

/** The objects of a cluster, as informers or lists give them. */
export interface PolicyObjects {
  readonly pods: readonly Pod[]
  readonly namespaces: readonly Namespace[]
  readonly nodes: readonly Node[]
  readonly policies: readonly NetworkPolicy[]
  readonly clusterPolicies: readonly ClusterNetworkPolicy[]
}

/**
 * The Pod as policies see it. Undefined for Pods of the host's network, which are their node to everybody, and for those that have ended:
 * their address may be another's by now.
 */
export function policyPod({ metadata, spec, status }: Pod): PolicyPod | undefined {
  if (spec?.hostNetwork || status?.phase === 'Succeeded' || status?.phase === 'Failed') return undefined
  const texts = [...(status?.podIPs ?? []).map(({ ip }) => ip), ...(status?.podIP === undefined ? [] : [status.podIP])]
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  return {
    key: `${metadata?.namespace}/${metadata?.name}`,
    namespace: metadata?.namespace ?? '',
    labels: metadata?.labels ?? {},
    node: spec?.nodeName,
    addresses: [...new Set(texts.filter(isIp).map(parseIp))],
    ports: [...(spec?.containers ?? []), ...sidecars].flatMap(({ ports = [] }) =>
      ports.flatMap(({ name, protocol, containerPort }) =>
        name === undefined ? [] : [{ name, protocol: protocolOf(protocol), port: containerPort }],
      ),
    ),
    bornAt: Date.parse(metadata?.creationTimestamp ?? '') || 0,
  }
}

export const policyNode = ({ metadata, status }: Node): PolicyNode => ({
  name: metadata?.name ?? '',
  labels: metadata?.labels ?? {},
  addresses: [
    ...new Set(
      (status?.addresses ?? [])
        .map(({ address }) => address)
        .filter(isIp)
        .map(parseIp),
    ),
  ],
})

/** A protocol of the API; TCP when none is said. */
export const protocolOf = (text: string | undefined): PolicyProtocol => (text === 'UDP' ? 'udp' : text === 'SCTP' ? 'sctp' : 'tcp')

export const policyWorld = ({ pods, namespaces, nodes, policies, clusterPolicies }: PolicyObjects): PolicyWorld => ({
  pods: pods.flatMap(pod => policyPod(pod) ?? []),
  namespaces: new Map(namespaces.map(({ metadata }) => [metadata?.name ?? '', metadata?.labels ?? {}])),
  nodes: nodes.map(policyNode),
  policies,
  clusterPolicies,
})
