import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../api/generated/types.js'
import { selectorMatches } from '../api/selector.js'
import { cidrContains, type Ip, parseInterfaceAddress } from '../base/net/address.js'
import {
  byPrecedence,
  type ClusterPeer,
  type ClusterProtocol,
  type ClusterRule,
  type ClusterTier,
  isClosed,
  isKnownPeer,
  isKnownProtocol,
} from './cluster-network-policy.js'
import { type Direction, type PolicyPod, type PolicyProtocol, type PolicyWorld, protocolOf } from './policy-world.js'

/** One end of a flow: an address, and the Pod that has it. An end without a Pod is a node or outside of the cluster. */
export interface FlowEnd {
  readonly ip: Ip
  readonly pod?: PolicyPod
}

/** A connection as the node of the Pod sees it: after the destination was translated, before the source is. */
export interface PolicyFlow {
  readonly from: FlowEnd
  readonly to: FlowEnd
  /** ICMP stands for all protocols without ports. */
  readonly protocol: PolicyProtocol | 'icmp'
  /** The destination's port; of ICMP there is none. */
  readonly port?: number
}

/** A rule of a policy, numbered as in the object. */
export interface DecidingRule {
  readonly kind: 'NetworkPolicy' | 'ClusterNetworkPolicy'
  /** `namespace/name`, or the name alone of a ClusterNetworkPolicy. */
  readonly policy: string
  /** Undefined: not one rule decided, but that the policy selects the Pod and no rule of it allows the flow. */
  readonly rule?: number
  readonly ruleName?: string
}

/** What one end's policies say. */
export interface SideVerdict {
  readonly isAllowed: boolean
  /**
   * What decided: a tier of policies; `own-node`: between a Pod and its own node NetworkPolicy denies nothing; `default`: no policy is about it;
   * `not-a-pod`: policies do not apply to this end; `loopback`: it never leaves the Pod.
   */
  readonly by: ClusterTier | 'NetworkPolicy' | 'own-node' | 'default' | 'not-a-pod' | 'loopback'
  /** The rules that allow or deny it; of NetworkPolicy all that allow, or all policies that isolate the Pod. */
  readonly rules: readonly DecidingRule[]
  /** Rules that passed it on to the next tier. */
  readonly passedBy: readonly DecidingRule[]
}

/** Whether a connection may come about. It needs both ends. */
export interface Verdict {
  readonly isAllowed: boolean
  readonly egress: SideVerdict
  readonly ingress: SideVerdict
}

/** The verdict of all policies on a flow: the reference for everything that enforces them. */
export function decide(flow: PolicyFlow, world: PolicyWorld): Verdict {
  // A Pod's packets to its own address never leave it. By way of a Service it meets itself as any other peer.
  const egress = sideVerdict('egress', flow, world)
  const ingress = sideVerdict('ingress', flow, world)
  return { isAllowed: egress.isAllowed && ingress.isAllowed, egress, ingress }
}

/** What stays inside of the Pod: it meets no policy. */
export const loopbackVerdict: Verdict = (() => {
  const side: SideVerdict = { isAllowed: true, by: 'loopback', rules: [], passedBy: [] }
  return { isAllowed: true, egress: side, ingress: side }
})()

interface Question {
  readonly direction: Direction
  readonly subject: PolicyPod
  readonly peer: FlowEnd
  readonly flow: PolicyFlow
  readonly world: PolicyWorld
}

function sideVerdict(direction: Direction, flow: PolicyFlow, world: PolicyWorld): SideVerdict {
  const [own, peer] = direction === 'egress' ? [flow.from, flow.to] : [flow.to, flow.from]
  if (own.pod === undefined) return { isAllowed: true, by: 'not-a-pod', rules: [], passedBy: [] }
  const question: Question = { direction, subject: own.pod, peer, flow, world }
  const isOwnNode = isNode(world, own.pod.node, peer.ip)
  // A node's own packets to its Pods meet no rule at all: probes always pass.
  if (isOwnNode && direction === 'ingress') return { isAllowed: true, by: 'own-node', rules: [], passedBy: [] }

  const passedBy: DecidingRule[] = []
  const admin = tierVerdict('Admin', question)
  if (admin?.action === 'Pass') passedBy.push(admin.rule)
  else if (admin !== undefined) return { isAllowed: admin.action === 'Accept', by: 'Admin', rules: [admin.rule], passedBy }

  const isolating = world.policies.filter(policy => isolates(policy, question))
  if (isolating.length > 0) {
    if (isOwnNode) return { isAllowed: true, by: 'own-node', rules: [], passedBy }
    const allowing = isolating.flatMap(policy => allowingRules(policy, question))
    return allowing.length > 0
      ? { isAllowed: true, by: 'NetworkPolicy', rules: allowing, passedBy }
      : { isAllowed: false, by: 'NetworkPolicy', rules: isolating.map(refOf), passedBy }
  }

  const baseline = tierVerdict('Baseline', question)
  if (baseline?.action === 'Pass') passedBy.push(baseline.rule)
  else if (baseline !== undefined) return { isAllowed: baseline.action === 'Accept', by: 'Baseline', rules: [baseline.rule], passedBy }
  return { isAllowed: true, by: 'default', rules: [], passedBy }
}

const isNode = ({ nodes }: PolicyWorld, name: string | undefined, ip: Ip): boolean =>
  nodes.some(node => node.name === name && node.addresses.includes(ip))

// NetworkPolicy

const refOf = ({ metadata }: NetworkPolicy): DecidingRule => ({
  kind: 'NetworkPolicy',
  policy: `${metadata?.namespace}/${metadata?.name}`,
})

/** The directions of a policy. Ingress unless it says otherwise, egress too when it has rules for that. */
export function policyTypesOf({ spec }: NetworkPolicy): readonly Direction[] {
  const { policyTypes = [], egress = [] } = spec ?? {}
  if (policyTypes.length === 0) return egress.length > 0 ? ['ingress', 'egress'] : ['ingress']
  return [...(policyTypes.includes('Ingress') ? ['ingress' as const] : []), ...(policyTypes.includes('Egress') ? ['egress' as const] : [])]
}

const isolates = (policy: NetworkPolicy, { subject, direction }: Question): boolean =>
  policy.metadata?.namespace === subject.namespace &&
  policyTypesOf(policy).includes(direction) &&
  selectorMatches(policy.spec?.podSelector ?? {}, subject.labels)

function allowingRules(policy: NetworkPolicy, question: Question): readonly DecidingRule[] {
  const { ingress = [], egress = [] } = policy.spec ?? {}
  const rules =
    question.direction === 'ingress'
      ? ingress.map(({ from, ports }) => ({ peers: from, ports }))
      : egress.map(({ to, ports }) => ({ peers: to, ports }))
  return rules.flatMap(({ peers = [], ports = [] }, rule) => {
    const isPeer = peers.length === 0 || peers.some(peer => matchesPeer(peer, policy.metadata?.namespace ?? '', question))
    const isPort = ports.length === 0 || ports.some(port => matchesPort(port, question.flow))
    return isPeer && isPort ? [{ ...refOf(policy), rule }] : []
  })
}

function matchesPeer(
  { ipBlock, namespaceSelector, podSelector }: NetworkPolicyPeer,
  namespace: string,
  { peer, world }: Question,
): boolean {
  if (ipBlock !== undefined) {
    return inRange(ipBlock.cidr, peer.ip) && !(ipBlock.except ?? []).some(range => inRange(range, peer.ip))
  }
  if (namespaceSelector === undefined && podSelector === undefined) return false
  if (peer.pod === undefined) return false
  const isNamespace =
    namespaceSelector === undefined ? peer.pod.namespace === namespace : isSelectedNamespace(namespaceSelector, peer.pod.namespace, world)
  return isNamespace && selectorMatches(podSelector ?? {}, peer.pod.labels)
}

function matchesPort({ protocol, port, endPort }: NetworkPolicyPort, flow: PolicyFlow): boolean {
  if (protocolOf(protocol) !== flow.protocol) return false
  if (port === undefined) return true
  if (typeof port === 'string') return isNamedPort(port, flow)
  return flow.port !== undefined && flow.port >= port && flow.port <= (endPort ?? port)
}

/** Names of ports are those of the Pod that the flow goes to. */
const isNamedPort = (name: string, { to, protocol, port }: PolicyFlow): boolean =>
  to.pod?.ports.some(named => named.name === name && named.protocol === protocol && named.port === port) ?? false

/** Upstream takes ranges with host bits set. */
const inRange = (range: string, ip: Ip): boolean => cidrContains(parseInterfaceAddress(range).cidr, ip)

const isSelectedNamespace = (selector: LabelSelector, name: string, { namespaces }: PolicyWorld): boolean => {
  const labels = namespaces.get(name)
  return labels !== undefined && selectorMatches(selector, labels)
}

// ClusterNetworkPolicy

function tierVerdict(
  tier: ClusterTier,
  question: Question,
): { readonly action: ClusterRule['action']; readonly rule: DecidingRule } | undefined {
  const { world, subject, direction } = question
  const policies = world.clusterPolicies
    .filter(({ spec }) => spec?.tier === tier && matchesClusterPeer(spec.subject, { pod: subject, ip: question.peer.ip }, world))
    .toSorted(byPrecedence)
  for (const { metadata, spec } of policies) {
    for (const [i, rule] of (spec?.[direction] ?? []).entries()) {
      const ref: DecidingRule = {
        kind: 'ClusterNetworkPolicy',
        policy: metadata?.name ?? '',
        rule: i,
        ...(rule.name !== undefined && { ruleName: rule.name }),
      }
      if (isClosed(rule) && rule.action !== 'Accept') return { action: 'Deny', rule: ref }
      if (matchesClusterRule(rule, question)) return { action: rule.action, rule: ref }
    }
  }
  return undefined
}

function matchesClusterRule({ from, to, protocols = [] }: ClusterRule, { peer, flow, world }: Question): boolean {
  const isPeer = (from ?? to ?? []).filter(isKnownPeer).some(each => matchesClusterPeer(each, peer, world))
  return isPeer && (protocols.length === 0 || protocols.filter(isKnownProtocol).some(each => matchesProtocol(each, flow)))
}

function matchesClusterPeer({ namespaces, pods, nodes, networks }: ClusterPeer, { pod, ip }: FlowEnd, world: PolicyWorld): boolean {
  if (namespaces !== undefined) return pod !== undefined && isSelectedNamespace(namespaces, pod.namespace, world)
  if (pods !== undefined) {
    return (
      pod !== undefined &&
      isSelectedNamespace(pods.namespaceSelector, pod.namespace, world) &&
      selectorMatches(pods.podSelector, pod.labels)
    )
  }
  if (nodes !== undefined) return world.nodes.some(({ labels, addresses }) => selectorMatches(nodes, labels) && addresses.includes(ip))
  return (networks ?? []).some(range => inRange(range, ip))
}

function matchesProtocol(match: ClusterProtocol, flow: PolicyFlow): boolean {
  if (match.destinationNamedPort !== undefined) return isNamedPort(match.destinationNamedPort, flow)
  const asked = flow.protocol === 'icmp' ? undefined : match[flow.protocol]
  if (asked === undefined) return false
  const { number, range } = asked.destinationPort ?? {}
  if (flow.port === undefined) return false
  if (range !== undefined) return flow.port >= range.start && flow.port <= range.end
  return number === undefined || flow.port === number
}
