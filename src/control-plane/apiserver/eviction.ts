import { poddisruptionbudgets, pods } from '../../api/generated/resources.js'
import type { Eviction, Pod, PodDisruptionBudget } from '../../api/generated/types.js'
import type { KubeObject } from '../../api/resource-type.js'
import { selectorMatches } from '../../api/selector.js'
import { badRequest, forbiddenRequest, internalError, notFound, refusal } from '../../api/status.js'
import { timeText } from '../../api/time-text.js'
import type { PolicyObjects } from './authorization/policy-objects.js'
import type { Admission, ObjectWriter, WritableObject } from './object-writer.js'

interface Parts {
  readonly objects: PolicyObjects
  readonly writer: ObjectWriter
}

interface EvictionRequest {
  readonly at: { readonly namespace: string; readonly name: string }
  readonly eviction: Eviction
  readonly dryRun: boolean
  readonly admission: Admission
}

/** More evictions under way than this mean that nobody keeps the budget's status. */
const mostDisrupted = 2000
const tooMany = "Cannot evict pod as it would violate the pod's disruption budget."
const manager = 'kube-apiserver'

/**
 * Deletes a Pod when its PodDisruptionBudget allows. Throws 429 when it does not, 500 for a Pod with several budgets.
 * Source: Kubernetes documentation, API-initiated eviction.
 */
export async function evictPod({ objects, writer }: Parts, { at, eviction, dryRun, admission }: EvictionRequest): Promise<void> {
  if (eviction.metadata?.name && eviction.metadata.name !== at.name) {
    throw badRequest(`name in URL does not match name in Eviction object: ${at.name} != ${eviction.metadata.name}`)
  }
  const pod = objects.get(pods, at)
  if (!pod) throw notFound(pods, at.name)
  const options = eviction.deleteOptions ?? {}
  const remove = () =>
    writer.delete({
      resource: objects.rowOf(pods),
      at,
      // Not another Pod that has taken the name meanwhile.
      options: { ...options, preconditions: { uid: pod.metadata?.uid ?? '', ...options.preconditions } },
      dryRun,
      admission,
    })
  if (isBeyondBudgets(pod)) {
    await remove()
    return
  }
  const budgets = objects
    .list(poddisruptionbudgets, at.namespace)
    .filter(({ spec }) => selectorMatches(spec?.selector, pod.metadata?.labels ?? {}))
  const [budget] = budgets
  if (budgets.length > 1) {
    throw internalError('This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.')
  }
  if (budget && !needsNoBudget(pod, budget)) {
    await writer.update({
      resource: objects.rowOf(poddisruptionbudgets),
      at: { namespace: at.namespace, name: budget.metadata?.name ?? '' },
      subresource: 'status',
      dryRun,
      manager,
      change: current => spent(current as PodDisruptionBudget, at.name),
    })
  }
  await writer.update({
    resource: objects.rowOf(pods),
    at,
    subresource: 'status',
    dryRun,
    manager,
    change: current => marked(current as Pod),
  })
  await remove()
}

/** A Pod that does not run, or goes already, disrupts nobody. */
const isBeyondBudgets = ({ metadata, status }: Pod): boolean =>
  metadata?.deletionTimestamp !== undefined || ['Pending', 'Succeeded', 'Failed'].includes(status?.phase ?? '')

/** A Pod that is not ready may go when its budget says so, or when the others are enough without it. */
function needsNoBudget({ status }: Pod, { spec, status: budget }: PodDisruptionBudget): boolean {
  if (status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True')) return false
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true
  const { currentHealthy = 0, desiredHealthy = 0 } = budget ?? {}
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy
}

/** The budget with one disruption less to give. */
function spent(budget: PodDisruptionBudget, pod: string): WritableObject {
  const name = budget.metadata?.name ?? ''
  const { disruptionsAllowed = 0, observedGeneration = 0, desiredHealthy = 0, currentHealthy = 0, disruptedPods = {} } = budget.status ?? {}
  if (observedGeneration < (budget.metadata?.generation ?? 0)) {
    throw overBudget(`The disruption budget ${name} is still being processed by the server.`, 10)
  }
  if (disruptionsAllowed < 0) throw forbiddenRequest(poddisruptionbudgets, name, 'pdb disruptions allowed is negative')
  if (Object.keys(disruptedPods).length > mostDisrupted) {
    throw forbiddenRequest(poddisruptionbudgets, name, 'DisruptedPods map too big - too many evictions not confirmed by PDB controller')
  }
  if (disruptionsAllowed === 0) {
    throw overBudget(`The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`)
  }
  const after = ofAnyVersion(budget)
  const disrupted = { ...disruptedPods, [pod]: timeText(Date.now()) }
  after.status = { ...budget.status, disruptionsAllowed: disruptionsAllowed - 1, disruptedPods: disrupted }
  return after
}

const overBudget = (message: string, retryAfterSeconds?: number): Error =>
  refusal({
    http: 429,
    reason: 'TooManyRequests',
    message: tooMany,
    details: { causes: [{ reason: 'DisruptionBudget', message }], ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) },
  })

/** The Pod with the condition by which its owners know that it did not fail. */
function marked(pod: Pod): WritableObject {
  const after = ofAnyVersion(pod)
  const others = pod.status?.conditions?.filter(({ type }) => type !== 'DisruptionTarget') ?? []
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: timeText(Date.now()),
  }
  after.status = { ...pod.status, conditions: [...others, condition] }
  return after
}

/** A copy that names no version: what is done to it is done again when another eviction was faster. */
function ofAnyVersion(object: KubeObject): WritableObject {
  const copy = structuredClone(object) as WritableObject
  delete copy.metadata.resourceVersion
  return copy
}
