import type { ApiResource } from '../api/api-resource.js'
import type { LabelSelector, ObjectMeta } from '../api/generated/types.js'

/** The tiers of policy.networking.k8s.io/v1alpha2; NetworkPolicy stands between them. */
export type ClusterTier = 'Admin' | 'Baseline'
export type ClusterAction = 'Accept' | 'Deny' | 'Pass'

/** Pods of some namespaces; an empty selector takes all. */
export interface NamespacedPods {
  readonly namespaceSelector: LabelSelector
  readonly podSelector: LabelSelector
}

/** Exactly one member is set; none: an API that is newer than we are. */
export interface ClusterPeer {
  readonly namespaces?: LabelSelector
  readonly pods?: NamespacedPods
  /** Of egress alone. */
  readonly nodes?: LabelSelector
  /** Of egress alone. */
  readonly networks?: readonly string[]
  /** Of egress alone. Left out: names are not resolved here, so it matches nothing. */
  readonly domainNames?: readonly string[]
}

export interface PortMatch {
  readonly destinationPort?: { readonly number?: number; readonly range?: { readonly start: number; readonly end: number } }
}

/** Exactly one member is set. */
export interface ClusterProtocol {
  readonly tcp?: PortMatch
  readonly udp?: PortMatch
  readonly sctp?: PortMatch
  readonly destinationNamedPort?: string
}

export interface ClusterRule {
  readonly name?: string
  readonly action: ClusterAction
  readonly from?: readonly ClusterPeer[]
  readonly to?: readonly ClusterPeer[]
  readonly protocols?: readonly ClusterProtocol[]
}

/** An administrator's policy for all namespaces: policy.networking.k8s.io/v1alpha2. */
export interface ClusterNetworkPolicy {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: ObjectMeta
  readonly spec?: {
    readonly tier: ClusterTier
    readonly priority: number
    readonly subject: Pick<ClusterPeer, 'namespaces' | 'pods'>
    readonly ingress?: readonly ClusterRule[]
    readonly egress?: readonly ClusterRule[]
  }
}

/** Whether the peer is of a kind that is enforced here. */
export const isKnownPeer = ({ namespaces, pods, nodes, networks }: ClusterPeer): boolean =>
  namespaces !== undefined || pods !== undefined || nodes !== undefined || networks !== undefined

/** Whether the entry is of a kind that is enforced here. */
export const isKnownProtocol = ({ tcp, udp, sctp, destinationNamedPort }: ClusterProtocol): boolean =>
  tcp !== undefined || udp !== undefined || sctp !== undefined || destinationNamedPort !== undefined

/**
 * Whether a rule says something that is not enforced here, so that it fails closed, as upstream asks: what it would accept is not accepted by it, and a rule
 * that denies or passes denies everything.
 */
export const isClosed = ({ from, to, protocols = [] }: ClusterRule): boolean =>
  !(from ?? to ?? []).every(isKnownPeer) || !protocols.every(isKnownProtocol)

/** In the order in which they are asked: by priority, then by name. */
export const byPrecedence = (a: ClusterNetworkPolicy, b: ClusterNetworkPolicy): number =>
  (a.spec?.priority ?? 0) - (b.spec?.priority ?? 0) || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1)

/** Where the API keeps them. */
export const clusterNetworkPolicies: ApiResource<ClusterNetworkPolicy> = {
  group: 'policy.networking.k8s.io',
  version: 'v1alpha2',
  resource: 'clusternetworkpolicies',
  kind: 'ClusterNetworkPolicy',
  namespaced: false,
  typePath: 'io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicy',
}
