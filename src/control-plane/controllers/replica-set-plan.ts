import { withCondition } from '../../api/conditions.js'
import type { Pod, ReplicaSet, ReplicaSetStatus } from '../../api/generated/types.js'
import { availableAt, isPodActive, isPodReady, isPodTerminal } from '../../api/pod-state.js'
import { matchesLabels, requirementsOf } from '../../api/selector.js'

/** How many Pods to make, or which to delete. Pods that ended or are going do not count. */
export function planReplicas(replicaSet: ReplicaSet, pods: readonly Pod[]): { readonly create: number; readonly remove: readonly Pod[] } {
  const active = pods.filter(isPodActive)
  const missing = (replicaSet.spec?.replicas ?? 1) - active.length
  return missing >= 0 ? { create: missing, remove: [] } : { create: 0, remove: inOrderOfDeletion(active).slice(0, -missing) }
}

const phases = ['Pending', 'Unknown', 'Running']

/** Cheapest first, as upstream: what runs least, costs least, stands closest together, is youngest (pkg/controller ActivePodsWithRanks). */
export function inOrderOfDeletion(pods: readonly Pod[]): readonly Pod[] {
  const perNode = new Map<string, number>()
  for (const { spec } of pods) perNode.set(spec?.nodeName ?? '', (perNode.get(spec?.nodeName ?? '') ?? 0) + 1)
  const restarts = (pod: Pod) => Math.max(0, ...(pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount))
  const readyTime = (pod: Pod) => availableAt(pod, 1) ?? 0
  const created = (pod: Pod) => Date.parse(pod.metadata?.creationTimestamp ?? '') || 0
  const criteria: readonly ((pod: Pod) => number)[] = [
    pod => (pod.spec?.nodeName ? 1 : 0),
    pod => phases.indexOf(pod.status?.phase ?? 'Pending'),
    pod => (isPodReady(pod) ? 1 : 0),
    pod => Number(pod.metadata?.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0) || 0,
    pod => -perNode.get(pod.spec?.nodeName ?? '')!,
    pod => -readyTime(pod),
    pod => -restarts(pod),
    pod => -created(pod),
  ]
  return [...pods].sort((a, b) => criteria.map(of => of(a) - of(b)).find(difference => difference !== 0) ?? 0)
}

/** The status that these Pods make, and when it will change by time alone. */
export function replicaSetStatus(
  replicaSet: ReplicaSet,
  pods: readonly Pod[],
  failure: { readonly reason: string; readonly message: string } | undefined,
  nowMs: number,
): { readonly status: ReplicaSetStatus; readonly changesInMs: number | undefined } {
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0
  const template = requirementsOf({ matchLabels: replicaSet.spec?.template?.metadata?.labels ?? {} })
  const active = pods.filter(isPodActive)
  const times = active.flatMap(pod => availableAt(pod, minReadySeconds) ?? [])
  const later = times.filter(time => time > nowMs)
  const others = replicaSet.status?.conditions?.filter(({ type }) => type !== 'ReplicaFailure') ?? []
  const conditions = failure
    ? withCondition(replicaSet.status?.conditions, { type: 'ReplicaFailure', status: 'True', ...failure }, nowMs)
    : others
  const status: ReplicaSetStatus = {
    replicas: active.length,
    fullyLabeledReplicas: active.filter(({ metadata }) => matchesLabels(template, metadata?.labels)).length,
    readyReplicas: active.filter(isPodReady).length,
    availableReplicas: times.length - later.length,
    terminatingReplicas: pods.filter(pod => !isPodTerminal(pod) && !isPodActive(pod)).length,
    observedGeneration: replicaSet.metadata?.generation ?? 0,
    ...(conditions.length > 0 ? { conditions } : {}),
  }
  return { status, changesInMs: later.length === 0 ? undefined : Math.min(...later) - nowMs }
}
