import { withCondition } from '../../api/conditions.js'
import type { Deployment, DeploymentCondition, DeploymentStatus } from '../../api/generated/types.js'
import { timeText } from '../../api/time-text.js'
import { type ReplicaSets, replicasOf, rolloutLimits } from './deployment-plan.js'

interface StatusAndTime {
  readonly status: DeploymentStatus
  /** When the rollout will have made no progress for too long, if nothing happens. */
  readonly deadlineInMs: number | undefined
}

/** The status that these ReplicaSets make of the Deployment, with its conditions Available, Progressing and ReplicaFailure. */
export function deploymentStatus(deployment: Deployment, { current, old }: ReplicaSets, nowMs: number): StatusAndTime {
  const before = deployment.status ?? {}
  const all = current ? [...old, current] : old
  const total = (field: 'replicas' | 'readyReplicas' | 'availableReplicas' | 'terminatingReplicas') =>
    all.reduce((sum, { status }) => sum + (status?.[field] ?? 0), 0)
  const wanted = replicasOf(deployment)
  const availableReplicas = total('availableReplicas')
  const counts = {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas: total('replicas'),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: total('readyReplicas'),
    availableReplicas,
    unavailableReplicas: Math.max(0, all.reduce((sum, set) => sum + replicasOf(set), 0) - availableReplicas),
    terminatingReplicas: total('terminatingReplicas'),
    ...(before.collisionCount === undefined ? {} : { collisionCount: before.collisionCount }),
  }

  const isAvailable = availableReplicas >= wanted - rolloutLimits(deployment).maxUnavailable
  const available: DeploymentCondition = isAvailable
    ? { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      }
  const progressing = progressingCondition(deployment, counts, current?.metadata?.name ?? '', nowMs)
  const failure = all.flatMap(({ status }) => status?.conditions?.filter(({ type }) => type === 'ReplicaFailure') ?? [])[0]

  let conditions = before.conditions?.filter(({ type }) => type !== 'ReplicaFailure') ?? []
  const kept = before.conditions?.find(({ type }) => type === 'ReplicaFailure')
  if (failure) conditions = withUpdate(kept ? [...conditions, kept] : conditions, { ...failure }, nowMs)
  conditions = withUpdate(conditions, available, nowMs)
  if (progressing) conditions = withUpdate(conditions, progressing, nowMs)

  const settled = conditions.find(({ type }) => type === 'Progressing')
  const waits = settled?.status === 'True' && settled.reason !== 'NewReplicaSetAvailable' && deployment.spec?.paused !== true
  const deadlineInMs = waits ? Math.max(0, deadlineMs(deployment, settled) - nowMs) : undefined
  return { status: { ...counts, conditions }, deadlineInMs }
}

/** Why the rollout counts as going on, done or stuck; undefined leaves the condition as it is. */
function progressingCondition(
  deployment: Deployment,
  counts: DeploymentStatus,
  currentName: string,
  nowMs: number,
): DeploymentCondition | undefined {
  const { status: before = {}, spec, metadata } = deployment
  const known = before.conditions?.find(({ type }) => type === 'Progressing')
  const wanted = replicasOf(deployment)
  const subject = currentName === '' ? `Deployment "${metadata?.name}"` : `ReplicaSet "${currentName}"`
  if (spec?.paused === true) {
    return known?.reason === 'DeploymentPaused'
      ? undefined
      : { type: 'Progressing', status: 'Unknown', reason: 'DeploymentPaused', message: 'Deployment is paused' }
  }
  const isComplete = counts.updatedReplicas === wanted && counts.replicas === wanted && counts.availableReplicas === wanted
  if (isComplete) {
    const message = `${subject} has successfully progressed.`
    return { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message }
  }
  if (known?.reason === 'DeploymentPaused') {
    return { type: 'Progressing', status: 'Unknown', reason: 'DeploymentResumed', message: 'Deployment is resumed' }
  }
  const oldBefore = (before.replicas ?? 0) - (before.updatedReplicas ?? 0)
  const oldNow = (counts.replicas ?? 0) - (counts.updatedReplicas ?? 0)
  const hasMoved =
    (counts.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    oldNow < oldBefore ||
    (counts.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (counts.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  if (known === undefined || hasMoved) {
    return {
      type: 'Progressing',
      status: 'True',
      reason: 'ReplicaSetUpdated',
      message: `${subject} is progressing.`,
      lastUpdateTime: timeText(nowMs),
    }
  }
  if (known.reason === 'NewReplicaSetAvailable') return undefined // A finished rollout does not become unfinished by losing a Pod.
  if (known.status === 'True' && nowMs >= deadlineMs(deployment, known)) {
    return { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: `${subject} has timed out progressing.` }
  }
  return undefined
}

const deadlineMs = ({ spec }: Deployment, { lastUpdateTime = '' }: DeploymentCondition): number =>
  (Date.parse(lastUpdateTime) || 0) + (spec?.progressDeadlineSeconds ?? 600) * 1000

/** As withCondition, with the time of the last update moving when anything said changes or `next` names it. */
function withUpdate(conditions: readonly DeploymentCondition[], next: DeploymentCondition, nowMs: number): DeploymentCondition[] {
  const known = conditions.find(({ type }) => type === next.type)
  const isSame = known?.status === next.status && known.reason === next.reason && known.message === next.message
  const lastUpdateTime = next.lastUpdateTime ?? (isSame ? known?.lastUpdateTime : undefined) ?? timeText(nowMs)
  return withCondition(conditions, { ...next, lastUpdateTime }, nowMs)
}
