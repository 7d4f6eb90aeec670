import { createHash } from 'node:crypto'

import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../api/generated/types.js'
import { type Requirement, requirementsOf } from '../api/selector.js'
import type { Cidr } from '../base/net/address.js'
import { disjointRanges, type RangeWithout } from './address-ranges.js'
import {
  type ClusterNetworkPolicy,
  type ClusterPeer,
  type ClusterProtocol,
  type ClusterRule,
  isClosed,
  isKnownPeer,
  isKnownProtocol,
} from './cluster-network-policy.js'
import { policyTypesOf } from './decide.js'
import type { NetGroup, PeerCondition, PolicyChain, PolicyRule, PortCondition, PortRange, PortSet, Stage } from './policy-state.js'
import { type Direction, type PolicyProtocol, protocolOf } from './policy-world.js'

/** Which Pods are meant: those of one namespace, or of the namespaces with certain labels. */
export interface PodQuestion {
  readonly namespace: string | readonly Requirement[]
  readonly labels: readonly Requirement[]
}

/** Whose addresses a group holds. */
export type GroupQuestion = ({ readonly of: 'pods' } & PodQuestion) | { readonly of: 'nodes'; readonly labels: readonly Requirement[] }

export interface NamedPortQuestion {
  readonly name: string
  readonly protocol: PolicyProtocol
}

/** A policy ready to be asked about Pods, with everything its rules refer to. Made of the object alone. */
export interface CompiledPolicy {
  readonly key: string
  /** What orders the policies of a stage. */
  readonly rank: string
  readonly stage: Stage
  readonly subject: PodQuestion
  /** A direction that is not there is not spoken of. */
  readonly chains: Readonly<Partial<Record<Direction, PolicyChain>>>
  readonly groups: ReadonlyMap<string, GroupQuestion>
  readonly nets: ReadonlyMap<string, NetGroup>
  readonly portSets: ReadonlyMap<string, PortSet>
  readonly namedPorts: ReadonlyMap<string, NamedPortQuestion>
}

/** 64 bits of a name for everything that a text says: what differs has another name. */
export const idOf = (...parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16).toUpperCase()

export function compileNetworkPolicy(policy: NetworkPolicy): CompiledPolicy {
  const { namespace = '', name = '' } = policy.metadata ?? {}
  const { ingress = [], egress = [], podSelector = {} } = policy.spec ?? {}
  const key = `${namespace}/${name}`
  const refs = references()
  const ruleOf = (peers: readonly NetworkPolicyPeer[] | undefined, ports: readonly NetworkPolicyPort[] | undefined): PolicyRule => ({
    action: 'accept',
    peers: peers === undefined || peers.length === 0 ? undefined : refs.peers(peers.map(peer => peerOf(peer, namespace))),
    ports: ports === undefined || ports.length === 0 ? undefined : refs.ports(ports.map(portOf)),
  })
  const rules: Record<Direction, () => readonly PolicyRule[]> = {
    ingress: () => ingress.map(({ from, ports }) => ruleOf(from, ports)),
    egress: () => egress.map(({ to, ports }) => ruleOf(to, ports)),
  }
  return {
    key,
    rank: key,
    stage: 'NetworkPolicy',
    subject: { namespace, labels: requirementsOf(podSelector) },
    chains: Object.fromEntries(
      policyTypesOf(policy).map(direction => [direction, chainOf(key, 'NetworkPolicy', direction, rules[direction]())]),
    ),
    ...refs.found,
  }
}

export function compileClusterPolicy({ metadata, spec }: ClusterNetworkPolicy): CompiledPolicy {
  const { name: key = '' } = metadata ?? {}
  const { tier: stage = 'Admin', priority = 0, subject = {} } = spec ?? {}
  const refs = references()
  const ruleOf = (rule: ClusterRule): PolicyRule => {
    if (isClosed(rule) && rule.action !== 'Accept') return { action: 'deny', peers: undefined, ports: undefined }
    const { from, to, protocols = [] } = rule
    return {
      action: rule.action === 'Accept' ? 'accept' : rule.action === 'Deny' ? 'deny' : 'pass',
      peers: refs.peers((from ?? to ?? []).filter(isKnownPeer).map(clusterPeerOf)),
      ports: protocols.length === 0 ? undefined : refs.ports(protocols.filter(isKnownProtocol).flatMap(clusterPortOf)),
    }
  }
  const directions = (['ingress', 'egress'] as const).filter(direction => (spec?.[direction] ?? []).length > 0)
  return {
    key,
    rank: `${String(priority).padStart(5, '0')} ${key}`,
    stage,
    subject: podsOf(subject) ?? { namespace: '', labels: [] },
    chains: Object.fromEntries(
      directions.map(direction => [direction, chainOf(key, stage, direction, (spec?.[direction] ?? []).map(ruleOf))]),
    ),
    ...refs.found,
  }
}

const chainOf = (policy: string, stage: Stage, direction: Direction, rules: readonly PolicyRule[]): PolicyChain => ({
  id: idOf(stage, policy, direction),
  policy,
  stage,
  direction,
  rules,
})

type Peer = { readonly group: GroupQuestion } | { readonly range: RangeWithout } | undefined
type Port = { readonly range: PortRange } | { readonly named: NamedPortQuestion }

function peerOf({ ipBlock, namespaceSelector, podSelector }: NetworkPolicyPeer, namespace: string): Peer {
  if (ipBlock !== undefined) return { range: { cidr: ipBlock.cidr, except: ipBlock.except ?? [] } }
  if (namespaceSelector === undefined && podSelector === undefined) return undefined
  const where = namespaceSelector === undefined ? namespace : requirementsOf(namespaceSelector)
  return { group: { of: 'pods', namespace: where, labels: requirementsOf(podSelector ?? {}) } }
}

function portOf({ protocol, port, endPort }: NetworkPolicyPort): Port {
  const own = protocolOf(protocol)
  if (typeof port === 'string') return { named: { name: port, protocol: own } }
  return { range: port === undefined ? allOf(own) : { protocol: own, from: port, to: endPort ?? port } }
}

function clusterPeerOf(peer: ClusterPeer): Peer[] | Peer {
  const pods = podsOf(peer)
  if (pods !== undefined) return { group: { of: 'pods', ...pods } }
  if (peer.nodes !== undefined) return { group: { of: 'nodes', labels: requirementsOf(peer.nodes) } }
  return (peer.networks ?? []).map(cidr => ({ range: { cidr } }))
}

const podsOf = ({ namespaces, pods }: Pick<ClusterPeer, 'namespaces' | 'pods'>): PodQuestion | undefined =>
  namespaces !== undefined
    ? { namespace: requirementsOf(namespaces), labels: [] }
    : pods && { namespace: requirementsOf(pods.namespaceSelector), labels: requirementsOf(pods.podSelector) }

function clusterPortOf(match: ClusterProtocol): readonly Port[] {
  const name = match.destinationNamedPort
  if (name !== undefined) return protocols.map(protocol => ({ named: { name, protocol } }))
  return protocols.flatMap(protocol => {
    const asked = match[protocol]
    if (asked === undefined) return []
    const { number, range } = asked.destinationPort ?? {}
    if (range !== undefined) return [{ range: { protocol, from: range.start, to: range.end } }]
    return [{ range: number === undefined ? allOf(protocol) : { protocol, from: number, to: number } }]
  })
}

const protocols: readonly PolicyProtocol[] = ['tcp', 'udp', 'sctp']
const allOf = (protocol: PolicyProtocol): PortRange => ({ protocol, from: 0, to: 65_535 })

/** Collects what rules refer to, each under a name for what it says, so that rules which say the same share it. */
function references() {
  const groups = new Map<string, GroupQuestion>()
  const nets = new Map<string, NetGroup>()
  const portSets = new Map<string, PortSet>()
  const namedPorts = new Map<string, NamedPortQuestion>()
  return {
    found: { groups, nets, portSets, namedPorts },

    peers(peers: readonly (Peer | Peer[])[]): readonly PeerCondition[] {
      const all = peers.flat().filter(peer => peer !== undefined)
      const asked = all.flatMap(peer => ('group' in peer ? [peer.group] : []))
      const conditions = new Map<string, PeerCondition>()
      for (const question of asked) {
        const id = idOf('group', canonical(question))
        groups.set(id, question)
        conditions.set(id, { kind: 'group', id })
      }
      const ranges: readonly Cidr[] = disjointRanges(all.flatMap(peer => ('range' in peer ? [peer.range] : [])))
      if (ranges.length > 0) {
        const id = idOf('nets', ...ranges)
        nets.set(id, { id, ranges })
        conditions.set(id, { kind: 'nets', id })
      }
      return [...conditions.values()]
    },

    ports(ports: readonly Port[]): readonly PortCondition[] {
      const ranges = unitedRanges(ports.flatMap(port => ('range' in port ? [port.range] : [])))
      const conditions = new Map<string, PortCondition>()
      if (ranges.length === 1) conditions.set('', { kind: 'range', range: ranges[0]! })
      if (ranges.length > 1) {
        const id = idOf('ports', ...ranges.map(({ protocol, from, to }) => `${protocol} ${from} ${to}`))
        portSets.set(id, { id, ranges })
        conditions.set(id, { kind: 'set', id })
      }
      for (const port of ports) {
        if (!('named' in port)) continue
        const id = idOf('named', port.named.protocol, port.named.name)
        namedPorts.set(id, port.named)
        conditions.set(id, { kind: 'named', id })
      }
      return [...conditions.values()]
    },
  }
}

/** Without overlaps: a set takes none. */
function unitedRanges(ranges: readonly PortRange[]): readonly PortRange[] {
  return protocols.flatMap(protocol => {
    const found: PortRange[] = []
    for (const range of ranges.filter(each => each.protocol === protocol).toSorted((a, b) => a.from - b.from)) {
      const before = found.at(-1)
      if (before === undefined || range.from > before.to + 1) found.push(range)
      else if (range.to > before.to) found[found.length - 1] = { ...before, to: range.to }
    }
    return found
  })
}

const canonical = (question: GroupQuestion): string =>
  JSON.stringify(
    question.of === 'nodes'
      ? ['nodes', ordered(question.labels)]
      : ['pods', typeof question.namespace === 'string' ? question.namespace : ordered(question.namespace), ordered(question.labels)],
  )

/** Requirements are a conjunction, so their order means nothing. */
const ordered = (requirements: readonly Requirement[]): readonly string[] =>
  requirements.map(({ key, operator, values }) => JSON.stringify([key, operator, values.toSorted()])).toSorted()
