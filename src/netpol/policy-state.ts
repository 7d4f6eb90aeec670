import type { Cidr, Ip } from '../base/net/address.js'
import type { ClusterTier } from './cluster-network-policy.js'
import type { Direction, PolicyProtocol } from './policy-world.js'

/** The three questions that are asked of a Pod in each direction, in this order. */
export type Stage = Extract<ClusterTier, 'Admin'> | 'NetworkPolicy' | Extract<ClusterTier, 'Baseline'>

/** Ports of one protocol, both ends included; 0 to 65535 for all. */
export interface PortRange {
  readonly protocol: PolicyProtocol
  readonly from: number
  readonly to: number
}

/** One of several conditions on the destination's port; any that holds is enough. */
export type PortCondition =
  | { readonly kind: 'range'; readonly range: PortRange }
  /** The id of one of `PolicyState.portSets`. */
  | { readonly kind: 'set'; readonly id: string }
  /** The id of one of `PolicyState.namedPorts`. */
  | { readonly kind: 'named'; readonly id: string }

/** One of several conditions on the other end; any that holds is enough. */
export interface PeerCondition {
  /** `group`: the id of one of `PolicyState.groups`; `nets`: of one of `PolicyState.nets`. */
  readonly kind: 'group' | 'nets'
  readonly id: string
}

export interface PolicyRule {
  readonly action: 'accept' | 'deny' | 'pass'
  /** Undefined: every peer. */
  readonly peers: readonly PeerCondition[] | undefined
  /** Undefined: every port of every protocol. */
  readonly ports: readonly PortCondition[] | undefined
}

/** What one policy says of one direction, in order; shared by all Pods that it selects. */
export interface PolicyChain {
  readonly id: string
  /** `namespace/name`, or `name`. */
  readonly policy: string
  readonly stage: Stage
  readonly direction: Direction
  readonly rules: readonly PolicyRule[]
}

/** The policies of one stage and direction that are asked for a Pod, in order; shared by all Pods with the same ones. */
export interface PolicyProfile {
  readonly id: string
  readonly stage: Stage
  readonly direction: Direction
  /** Ids of `PolicyState.chains`. */
  readonly chains: readonly string[]
}

/** A Pod of this node, with the ids of its profiles; a stage without one has no policy about the Pod. */
export interface LocalPod {
  readonly key: string
  readonly addresses: readonly Ip[]
  readonly profiles: Readonly<Record<Direction, Readonly<Partial<Record<Stage, string>>>>>
}

/** Addresses that are asked for one by one. */
export interface AddressGroup {
  readonly id: string
  readonly addresses: ReadonlySet<Ip>
}

/** Ranges that do not overlap. */
export interface NetGroup {
  readonly id: string
  readonly ranges: readonly Cidr[]
}

/** The Pods that have a port of one name, each with its number. */
export interface NamedPortGroup {
  readonly id: string
  readonly protocol: PolicyProtocol
  readonly ports: readonly { readonly address: Ip; readonly port: number }[]
}

export interface PortSet {
  readonly id: string
  readonly ranges: readonly PortRange[]
}

/** What policies need to know of this node. */
export interface PolicyNodeFacts {
  readonly name: string
  readonly addresses: readonly Ip[]
  /** Where this node's Pods have their addresses: one that no Pod is known to have is not let through. */
  readonly podRanges: readonly Cidr[]
}

/**
 * What must be true of network policy on one node. States share structure: what did not change is the same object, down to the whole state.
 * Every map is keyed by the ids of its values, and an id stands for the same question for ever.
 */
export interface PolicyState {
  readonly node: PolicyNodeFacts
  readonly pods: ReadonlyMap<string, LocalPod>
  readonly profiles: ReadonlyMap<string, PolicyProfile>
  readonly chains: ReadonlyMap<string, PolicyChain>
  readonly groups: ReadonlyMap<string, AddressGroup>
  readonly nets: ReadonlyMap<string, NetGroup>
  readonly portSets: ReadonlyMap<string, PortSet>
  readonly namedPorts: ReadonlyMap<string, NamedPortGroup>
}
