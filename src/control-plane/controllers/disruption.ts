import { apiPathOf, apiVersionOf } from '../../api/api-resource.js'
import { poddisruptionbudgets } from '../../api/generated/resources.js'
import type { Deployment, Pod, PodDisruptionBudget, ReplicaSet, Scale } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { resourceTable } from '../../api/resource-table.js'
import { selectorMatches } from '../../api/selector.js'
import { timeText } from '../../api/time-text.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

interface Parts extends ControllerParts {
  readonly budgets: Informer<PodDisruptionBudget>
  readonly pods: Informer<Pod>
  readonly replicaSets: Informer<ReplicaSet>
  readonly deployments: Informer<Deployment>
}

/** So long an evicted Pod that has not gone counts as disrupted; upstream's DeletionTimeout. */
const confirmMs = 2 * 60_000
type Status = NonNullable<PodDisruptionBudget['status']>

/** Keeps in each PodDisruptionBudget's status how many of its Pods may go now. */
export function disruptionController(parts: Parts): Controller {
  const { client, budgets, pods, replicaSets, deployments, clock = systemClock } = parts
  const inNamespaceOf = (object: { readonly metadata?: { readonly namespace?: string } } | undefined) =>
    budgets.list().filter(({ metadata }) => metadata?.namespace === object?.metadata?.namespace)

  /** How many Pods the owners of `selected` want, each owner once. Throws an Error for a Pod that nobody keeps. */
  async function expectedScale(selected: readonly Pod[], signal: AbortSignal): Promise<number> {
    const scales = new Map<string, number>()
    for (const pod of selected) {
      const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller)
      if (!owner) throw new Error(`found no controllers for pod ${JSON.stringify(pod.metadata?.name)}`)
      if (scales.has(owner.uid)) continue
      const namespace = pod.metadata?.namespace ?? ''
      const set = owner.kind === 'ReplicaSet' ? replicaSets.get(`${namespace}/${owner.name}`) : undefined
      const above = set?.metadata?.ownerReferences?.find(({ controller, kind }) => controller && kind === 'Deployment')
      const deployment = above && deployments.get(`${namespace}/${above.name}`)
      if (above && deployment) scales.set(above.uid, deployment.spec?.replicas ?? 1)
      else if (set) scales.set(owner.uid, set.spec?.replicas ?? 1)
      else scales.set(owner.uid, await scaleOf(owner, namespace, signal))
    }
    return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0)
  }

  async function scaleOf(
    { apiVersion, kind, name }: { apiVersion: string; kind: string; name: string },
    namespace: string,
    signal: AbortSignal,
  ) {
    const resource = resourceTable.find(row => apiVersionOf(row) === apiVersion && row.kind === kind)
    if (!resource?.subresources.some(({ name }) => name === 'scale')) throw new Error(`${kind} ${name} has no scale subresource`)
    const { spec } = JSON.parse(await client.raw('GET', `${apiPathOf(resource, { namespace, name })}/scale`, undefined, signal)) as Scale
    return spec?.replicas ?? 0
  }

  async function wantedOf({ spec }: PodDisruptionBudget, selected: readonly Pod[], signal: AbortSignal) {
    const { minAvailable, maxUnavailable } = spec ?? {}
    if (typeof minAvailable === 'number') return { expected: selected.length, desired: minAvailable }
    if (minAvailable === undefined && maxUnavailable === undefined) return { expected: 0, desired: 0 }
    const expected = await expectedScale(selected, signal)
    if (minAvailable !== undefined) return { expected, desired: scaled(minAvailable, expected) }
    return { expected, desired: Math.max(0, expected - scaled(maxUnavailable ?? 0, expected)) }
  }

  return keyedController({
    name: 'disruption',
    parts,
    reads: [budgets, pods, replicaSets, deployments],
    watch(queue) {
      const again = (found: readonly PodDisruptionBudget[]): void => {
        for (const budget of found) queue.add(keyOfObject(budget))
      }
      onObjectChange(budgets, (_before, after) => after && queue.add(keyOfObject(after)))
      onObjectChange(pods, (before, after) => {
        const labels = [before, after].map(pod => pod?.metadata?.labels ?? {})
        again(inNamespaceOf(after ?? before).filter(({ spec }) => labels.some(own => selectorMatches(spec?.selector, own))))
      })
      onObjectChange(replicaSets, (before, after) => again(inNamespaceOf(after ?? before)))
      onObjectChange(deployments, (before, after) => again(inNamespaceOf(after ?? before)))
    },
    async reconcile(key, queue, signal) {
      const budget = budgets.get(key)
      if (!budget) return
      const selected = pods
        .list()
        .filter(
          ({ metadata }) =>
            metadata?.namespace === budget.metadata?.namespace && selectorMatches(budget.spec?.selector, metadata?.labels ?? {}),
        )
      const now = clock.now()
      const disrupted = stillDisrupted(budget, selected, now)
      let status: Status
      try {
        status = statusOf(budget, selected, disrupted, await wantedOf(budget, selected, signal))
      } catch (error) {
        if (isPodwireError(error) && !isPodwireError(error, 'NOT_FOUND')) throw error
        status = failed(budget, error instanceof Error ? error.message : String(error))
      }
      const next = Math.min(...Object.values(disrupted).map(text => Date.parse(text) + confirmMs - now))
      if (Number.isFinite(next)) queue.addAfter(key, Math.max(next, 1000))
      if (jsonEqual(status, budget.status)) return
      await client.updateStatus(poddisruptionbudgets, { ...budget, status }, signal)
    },
  })
}

/** A count as it is, a percentage of `total` rounded up. */
function scaled(amount: number | string, total: number): number {
  const [, percent] = /^(\d+)%$/.exec(String(amount)) ?? []
  return percent === undefined ? Number(amount) : Math.ceil((Number(percent) * total) / 100)
}

/** The Pods that were evicted and are still there, as far as their time is not over. */
function stillDisrupted({ status }: PodDisruptionBudget, selected: readonly Pod[], now: number): Readonly<Record<string, string>> {
  const entries = Object.entries(status?.disruptedPods ?? {}).filter(([name, since]) => {
    const pod = selected.find(({ metadata }) => metadata?.name === name)
    return pod?.metadata?.deletionTimestamp === undefined && pod !== undefined && Date.parse(since) + confirmMs > now
  })
  return Object.fromEntries(entries)
}

interface Wanted {
  readonly expected: number
  readonly desired: number
}

function statusOf(
  budget: PodDisruptionBudget,
  selected: readonly Pod[],
  disrupted: Readonly<Record<string, string>>,
  { expected, desired }: Wanted,
): Status {
  const isReady = ({ status }: Pod): boolean =>
    status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false
  const healthy = selected.filter(
    pod => pod.metadata?.deletionTimestamp === undefined && !Object.hasOwn(disrupted, pod.metadata?.name ?? '') && isReady(pod),
  )
  const allowed = expected <= 0 ? 0 : Math.max(0, healthy.length - desired)
  return {
    observedGeneration: budget.metadata?.generation ?? 0,
    disruptionsAllowed: allowed,
    currentHealthy: healthy.length,
    desiredHealthy: desired,
    expectedPods: expected,
    ...(Object.keys(disrupted).length > 0 && { disruptedPods: disrupted }),
    conditions: conditionsOf(budget, allowed > 0 ? 'True' : 'False', allowed > 0 ? 'SufficientPods' : 'InsufficientPods', ''),
  }
}

/** Nothing may go while it is not known what should be there. */
function failed(budget: PodDisruptionBudget, message: string): Status {
  const { currentHealthy = 0, desiredHealthy = 0, expectedPods = 0, disruptedPods } = budget.status ?? {}
  return {
    currentHealthy,
    desiredHealthy,
    expectedPods,
    disruptionsAllowed: 0,
    observedGeneration: budget.metadata?.generation ?? 0,
    ...(disruptedPods && { disruptedPods }),
    conditions: conditionsOf(budget, 'False', 'SyncFailed', message),
  }
}

function conditionsOf(budget: PodDisruptionBudget, status: string, reason: string, message: string): NonNullable<Status['conditions']> {
  const type = 'DisruptionAllowed'
  const observedGeneration = budget.metadata?.generation ?? 0
  const before = budget.status?.conditions?.find(condition => condition.type === type)
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timeText(Date.now())
  const others = budget.status?.conditions?.filter(condition => condition.type !== type) ?? []
  return [...others, { type, status, reason, message, observedGeneration, lastTransitionTime }]
}
