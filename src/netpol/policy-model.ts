import type { Namespace, NetworkPolicy, Node, Pod } from '../api/generated/types.js'
import { matchesLabels } from '../api/selector.js'
import type { Ip } from '../base/net/address.js'
import type { ClusterNetworkPolicy } from './cluster-network-policy.js'
import {
  type CompiledPolicy,
  compileClusterPolicy,
  compileNetworkPolicy,
  type GroupQuestion,
  idOf,
  type NamedPortQuestion,
  type PodQuestion,
} from './compile-policy.js'
import type {
  AddressGroup,
  LocalPod,
  NamedPortGroup,
  NetGroup,
  PolicyChain,
  PolicyNodeFacts,
  PolicyProfile,
  PolicyState,
  PortSet,
  Stage,
} from './policy-state.js'
import { type Direction, type Labels, type PolicyNode, type PolicyObjects, type PolicyPod, policyNode, policyPod } from './policy-world.js'

/** An address that CNI has given to a Pod of this node, maybe before its status tells it. */
export interface Attached {
  /** `namespace/name`. */
  readonly pod: string
  readonly addresses: readonly Ip[]
}

export interface PolicyModelInput extends PolicyObjects {
  readonly node: PolicyNodeFacts
  readonly attached: readonly Attached[]
}

export interface PolicyModel {
  /** The state of these objects. Objects that are the same as the last time (by identity) cost nothing more. */
  build(input: PolicyModelInput): PolicyState
}

const stages: readonly Stage[] = ['Admin', 'NetworkPolicy', 'Baseline']
const directions: readonly Direction[] = ['ingress', 'egress']

/** Turns the cluster's objects into what must be true on one node, and remembers what it needs so that a change costs what it changes. */
export function policyModel(): PolicyModel {
  const namespaces = new Map<string, Namespace>()
  const podObjects = new Map<string, Pod>()
  const pods = new Map<string, PolicyPod>()
  const policyObjects = new Map<string, NetworkPolicy | ClusterNetworkPolicy>()
  const policies = new Map<string, CompiledPolicy>()
  /** Per policy, the Pods of this node that it selects. */
  const selected = new Map<string, Set<string>>()
  const owners = new Map<Ip, Set<string>>()
  let podList: readonly Pod[] = []
  let attachedBefore: readonly Attached[] = []
  let attachedTo = new Map<string, readonly Ip[]>()
  let nodeObjects: readonly Node[] = []
  let nodes: readonly PolicyNode[] = []
  let last: PolicyState | undefined

  const labelsOf = (namespace: string): Labels | undefined => {
    const found = namespaces.get(namespace)
    return found && (found.metadata?.labels ?? {})
  }

  const asks = (question: PodQuestion, pod: PolicyPod): boolean => {
    if (typeof question.namespace === 'string') {
      if (question.namespace !== pod.namespace) return false
    } else {
      const labels = labelsOf(pod.namespace)
      if (labels === undefined || !matchesLabels(question.namespace, labels)) return false
    }
    return matchesLabels(question.labels, pod.labels)
  }

  /** Of Pods with one address the youngest has it: the others are about to go. */
  const isOwner = (pod: PolicyPod, address: Ip): boolean => {
    const rivals = owners.get(address)
    if (rivals === undefined || rivals.size < 2) return true
    return [...rivals].every(key => {
      const rival = pods.get(key)
      return rival === undefined || rival === pod || rival.bornAt < pod.bornAt || (rival.bornAt === pod.bornAt && rival.key < pod.key)
    })
  }
  const addressesOf = (pod: PolicyPod): readonly Ip[] => pod.addresses.filter(address => isOwner(pod, address))

  /** Takes the new Pods over; returns the keys of all that count differently now. */
  function changedPods(input: PolicyModelInput): ReadonlySet<string> {
    const changed = new Set<string>()
    const changedNamespaces = new Set<string>()
    const seenNamespaces = new Set<string>()
    for (const namespace of input.namespaces) {
      const name = namespace.metadata?.name ?? ''
      seenNamespaces.add(name)
      const before = namespaces.get(name)
      if (before === namespace) continue
      namespaces.set(name, namespace)
      changedNamespaces.add(name)
    }
    for (const name of namespaces.keys()) {
      if (seenNamespaces.has(name)) continue
      namespaces.delete(name)
      changedNamespaces.add(name)
    }
    const nowAttached = attachedBefore === input.attached ? attachedTo : new Map(input.attached.map(each => [each.pod, each.addresses]))
    const reattached = new Set<string>()
    if (nowAttached !== attachedTo) {
      for (const key of new Set([...attachedTo.keys(), ...nowAttached.keys()])) {
        if (attachedTo.get(key)?.join() !== nowAttached.get(key)?.join()) reattached.add(key)
      }
    }
    attachedBefore = input.attached
    attachedTo = nowAttached

    const before = podList
    podList = input.pods
    if (changedNamespaces.size === 0 && reattached.size === 0 && before.length === podList.length) {
      const moved = podList.filter((object, i) => object !== before[i])
      const isReplaced = podList.every((object, i) => object === before[i] || keyOf(object) === keyOf(before[i]!))
      // As an informer lists them: what changed stands where it stood.
      if (isReplaced) {
        for (const object of moved) {
          podObjects.set(keyOf(object), object)
          replace(keyOf(object), viewOf(object), changed)
        }
        return changed
      }
    }
    const seen = new Set<string>()
    for (const object of input.pods) {
      const key = keyOf(object)
      seen.add(key)
      if (podObjects.get(key) !== object || reattached.has(key)) {
        podObjects.set(key, object)
        replace(key, viewOf(object), changed)
      } else if (changedNamespaces.has(object.metadata?.namespace ?? '')) changed.add(key)
    }
    if (podObjects.size > seen.size) {
      for (const key of podObjects.keys()) {
        if (seen.has(key)) continue
        podObjects.delete(key)
        replace(key, undefined, changed)
      }
    }
    return changed
  }

  function viewOf(object: Pod): PolicyPod | undefined {
    const view = policyPod(object)
    const more = view && attachedTo.get(view.key)
    return more === undefined ? view : { ...view!, addresses: [...new Set([...more, ...view!.addresses])] }
  }

  function replace(key: string, after: PolicyPod | undefined, changed: Set<string>): void {
    const before = pods.get(key)
    for (const address of before?.addresses ?? []) {
      const rivals = owners.get(address)
      rivals?.delete(key)
      if (rivals?.size === 0) owners.delete(address)
      for (const rival of rivals ?? []) changed.add(rival)
    }
    if (after === undefined) pods.delete(key)
    else pods.set(key, after)
    for (const address of after?.addresses ?? []) {
      const rivals = owners.get(address) ?? new Set()
      for (const rival of rivals) changed.add(rival)
      owners.set(address, rivals.add(key))
    }
    changed.add(key)
  }

  /** Takes the new policies over; returns the keys of those that are not what they were. */
  function changedPolicies(input: PolicyModelInput): ReadonlySet<string> {
    const changed = new Set<string>()
    const seen = new Set<string>()
    const take = <T extends NetworkPolicy | ClusterNetworkPolicy>(object: T, key: string, compile: (object: T) => CompiledPolicy): void => {
      seen.add(key)
      if (policyObjects.get(key) === object) return
      policyObjects.set(key, object)
      policies.set(key, compile(object))
      changed.add(key)
    }
    for (const policy of input.policies) take(policy, `n ${policy.metadata?.namespace}/${policy.metadata?.name}`, compileNetworkPolicy)
    for (const policy of input.clusterPolicies) take(policy, `c ${policy.metadata?.name}`, compileClusterPolicy)
    for (const key of policyObjects.keys()) {
      if (seen.has(key)) continue
      policyObjects.delete(key)
      policies.delete(key)
      changed.add(key)
    }
    return changed
  }

  function build(input: PolicyModelInput): PolicyState {
    const movedPods = changedPods(input)
    const movedPolicies = changedPolicies(input)
    const haveNodesMoved = nodeObjects !== input.nodes && !isSameList(nodeObjects, input.nodes)
    nodeObjects = input.nodes
    if (haveNodesMoved) nodes = input.nodes.map(policyNode)
    const isLocal = (pod: PolicyPod | undefined): pod is PolicyPod => pod?.node === input.node.name

    // Whom each policy selects here.
    const hasNodeChanged = last?.node.name !== input.node.name
    const local = [...pods.values()].filter(isLocal)
    const dirty = new Set<string>([...movedPods].filter(key => last?.pods.has(key) || isLocal(pods.get(key))))
    for (const key of movedPolicies) {
      for (const pod of selected.get(key) ?? []) dirty.add(pod)
      const policy = policies.get(key)
      if (policy === undefined) selected.delete(key)
      else {
        const of = new Set(local.filter(pod => asks(policy.subject, pod)).map(pod => pod.key))
        selected.set(key, of)
        for (const pod of of) dirty.add(pod)
      }
    }
    for (const [key, policy] of policies) {
      if (movedPolicies.has(key) && !hasNodeChanged) continue
      const of = selected.get(key) ?? new Set()
      for (const podKey of hasNodeChanged ? local.map(pod => pod.key) : movedPods) {
        const pod = pods.get(podKey)
        if (isLocal(pod) && asks(policy.subject, pod)) of.add(podKey)
        else of.delete(podKey)
      }
      selected.set(key, of)
    }
    if (hasNodeChanged) for (const { key } of local) dirty.add(key)

    // The Pods with their profiles.
    const inForce = [...policies].filter(([key]) => (selected.get(key)?.size ?? 0) > 0).sort(([, a], [, b]) => (a.rank < b.rank ? -1 : 1))
    const profiles = new Map<string, PolicyProfile>()
    const localPods = new Map<string, LocalPod>()
    for (const pod of local) {
      const before = last?.pods.get(pod.key)
      if (before !== undefined && !dirty.has(pod.key)) {
        localPods.set(pod.key, before)
        for (const direction of directions) {
          for (const id of Object.values(before.profiles[direction])) profiles.set(id, last!.profiles.get(id)!)
        }
        continue
      }
      const own = inForce.filter(([key]) => selected.get(key)!.has(pod.key)).map(([, policy]) => policy)
      const profilesOf = (direction: Direction) =>
        Object.fromEntries(
          stages.flatMap(stage => {
            const chains = own.flatMap(({ stage: of, chains: all }) => (of === stage ? (all[direction]?.id ?? []) : []))
            if (chains.length === 0) return []
            const id = idOf('profile', stage, direction, ...chains)
            profiles.set(id, last?.profiles.get(id) ?? { id, stage, direction, chains })
            return [[stage, id]]
          }),
        )
      const now: LocalPod = {
        key: pod.key,
        addresses: addressesOf(pod),
        profiles: { ingress: profilesOf('ingress'), egress: profilesOf('egress') },
      }
      localPods.set(pod.key, before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : now)
    }

    // What these policies refer to.
    const chains = new Map<string, PolicyChain>()
    const questions = new Map<string, GroupQuestion>()
    const nets = new Map<string, NetGroup>()
    const portSets = new Map<string, PortSet>()
    const namedQuestions = new Map<string, NamedPortQuestion>()
    for (const [, policy] of inForce) {
      for (const chain of Object.values(policy.chains)) chains.set(chain.id, chain)
      for (const [id, question] of policy.groups) questions.set(id, question)
      for (const [id, net] of policy.nets) nets.set(id, last?.nets.get(id) ?? net)
      for (const [id, ports] of policy.portSets) portSets.set(id, last?.portSets.get(id) ?? ports)
      for (const [id, question] of policy.namedPorts) namedQuestions.set(id, question)
    }
    const groups = new Map([...questions].map(([id, question]) => [id, groupOf(id, question, { movedPods, haveNodesMoved })]))
    const namedPorts = new Map([...namedQuestions].map(([id, question]) => [id, namedPortsOf(id, question, movedPods)]))

    const state: PolicyState = {
      node: last !== undefined && JSON.stringify(last.node) === JSON.stringify(input.node) ? last.node : input.node,
      pods: shared(last?.pods, localPods),
      profiles: shared(last?.profiles, profiles),
      chains: shared(last?.chains, chains),
      groups: shared(last?.groups, groups),
      nets: shared(last?.nets, nets),
      portSets: shared(last?.portSets, portSets),
      namedPorts: shared(last?.namedPorts, namedPorts),
    }
    const isSame = last !== undefined && (Object.keys(state) as (keyof PolicyState)[]).every(key => state[key] === last![key])
    if (!isSame) last = state
    return last!
  }

  function groupOf(
    id: string,
    question: GroupQuestion,
    { movedPods, haveNodesMoved }: { readonly movedPods: ReadonlySet<string>; readonly haveNodesMoved: boolean },
  ): AddressGroup {
    const before = last?.groups.get(id)
    if (question.of === 'nodes') {
      if (before !== undefined && !haveNodesMoved) return before
      const meant = nodes.filter(({ labels }) => matchesLabels(question.labels, labels))
      return orBefore(before, { id, addresses: new Set(meant.flatMap(({ addresses }) => addresses)) })
    }
    if (before !== undefined && ![...movedPods].some(key => isMember(members.get(id), key) || asksKey(question, key))) return before
    const known = before === undefined ? undefined : members.get(id)
    const of = known ?? new Map<string, readonly Ip[]>()
    for (const key of known === undefined ? pods.keys() : movedPods) {
      const pod = pods.get(key)
      if (pod !== undefined && asks(question, pod)) of.set(key, addressesOf(pod))
      else of.delete(key)
    }
    members.set(id, of)
    return orBefore(before, { id, addresses: new Set([...of.values()].flat()) })
  }

  const members = new Map<string, Map<string, readonly Ip[]>>()
  const isMember = (of: ReadonlyMap<string, unknown> | undefined, key: string): boolean => of?.has(key) ?? false
  const asksKey = (question: PodQuestion, key: string): boolean => {
    const pod = pods.get(key)
    return pod !== undefined && asks(question, pod)
  }

  function namedPortsOf(id: string, { name, protocol }: NamedPortQuestion, movedPods: ReadonlySet<string>): NamedPortGroup {
    const before = last?.namedPorts.get(id)
    if (before !== undefined && movedPods.size === 0) return before
    const ports = [...pods.values()].flatMap(pod =>
      pod.ports
        .filter(named => named.name === name && named.protocol === protocol)
        .flatMap(({ port }) => addressesOf(pod).map(address => ({ address, port }))),
    )
    const isSame =
      before?.ports.length === ports.length &&
      before.ports.every((each, i) => each.address === ports[i]!.address && each.port === ports[i]!.port)
    return before !== undefined && isSame ? before : { id, protocol, ports }
  }

  return { build }
}

const keyOf = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`

const isSameList = (a: readonly unknown[], b: readonly unknown[]): boolean => a.length === b.length && a.every((each, i) => each === b[i])

const orBefore = (before: AddressGroup | undefined, now: AddressGroup): AddressGroup =>
  before !== undefined && before.addresses.size === now.addresses.size && [...now.addresses].every(ip => before.addresses.has(ip))
    ? before
    : now

/** The map of before when the new one holds the same values. */
function shared<T>(before: ReadonlyMap<string, T> | undefined, now: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  if (before === undefined || before.size !== now.size) return now
  for (const [key, value] of now) if (before.get(key) !== value) return now
  return before
}
