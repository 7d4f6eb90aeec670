import { deployments as deploymentResource, replicasets } from '../../api/generated/resources.js'
import type { Deployment, Pod, ReplicaSet } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { controllerOf, controllerReference, isControlledBy } from '../../api/owners.js'
import { isPodTerminal } from '../../api/pod-state.js'
import { selectorMatches } from '../../api/selector.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { createEventRecorder } from '../../client/event-recorder.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { claimObjects } from './claim.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import {
  isScalingEvent,
  newReplicas,
  planResize,
  planRollingUpdate,
  planScaleDownOld,
  type ReplicaSets,
  replicasOf,
  type Scaling,
  sizeAnnotations,
} from './deployment-plan.js'
import { deploymentStatus } from './deployment-status.js'
import { onObjectChange } from './object-changes.js'
import { hashLabel, isSameTemplate, templateHash } from './template-hash.js'

const revisionAnnotation = 'deployment.kubernetes.io/revision'
const historyAnnotation = 'deployment.kubernetes.io/revision-history'
/** Annotations of a Deployment that are not its ReplicaSets'. */
const ownAnnotations = new Set([
  revisionAnnotation,
  historyAnnotation,
  'kubectl.kubernetes.io/last-applied-configuration',
  'deployment.kubernetes.io/desired-replicas',
  'deployment.kubernetes.io/max-replicas',
  'deprecated.deployment.rollback.to',
])

interface Parts extends ControllerParts {
  readonly deployments: Informer<Deployment>
  readonly replicaSets: Informer<ReplicaSet>
  readonly pods: Informer<Pod>
}

/** Rolls out each Deployment's template through ReplicaSets, by readiness. */
export function deploymentController(parts: Parts): Controller {
  const { client, deployments, replicaSets, pods, clock = systemClock } = parts
  const recorder = createEventRecorder(client, { component: 'deployment-controller', clock })

  /** The ReplicaSet of the present template, made if it is not there; undefined when our copy must first catch up. */
  async function ensureCurrent(deployment: Deployment, sets: ReplicaSets, signal: AbortSignal): Promise<ReplicaSet | undefined> {
    if (sets.current) return sets.current
    const wanted = replicaSetOf(deployment, newReplicas(deployment, sets), nextRevision(sets))
    try {
      const created = await client.create(replicasets, wanted, signal)
      scaledEvent(deployment, wanted, { from: 0, to: replicasOf(wanted) })
      return created
    } catch (error) {
      if (!isPodwireError(error, 'ALREADY_EXISTS')) throw error
    }
    const { namespace, name = '' } = wanted.metadata ?? {}
    const found = await client.get(replicasets, { namespace, name }, signal)
    if (isControlledBy(found, deployment) && isSameTemplate(found.spec?.template, deployment.spec?.template)) return undefined
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1
    await client.updateStatus(deploymentResource, { ...deployment, status: { ...deployment.status, collisionCount } }, signal)
    return undefined
  }

  /** Gives the current ReplicaSet the newest revision, and the Deployment its number. */
  async function ensureRevision(
    deployment: Deployment,
    sets: ReplicaSets & { readonly current: ReplicaSet },
    signal: AbortSignal,
  ): Promise<ReplicaSet> {
    const { current } = sets
    const { metadata = {}, spec } = current
    const highestOld = Math.max(0, ...sets.old.map(revisionOf))
    const revision = revisionOf(current) > highestOld ? revisionOf(current) : highestOld + 1
    const history = [metadata.annotations?.[historyAnnotation], metadata.annotations?.[revisionAnnotation]].filter(Boolean).join(',')
    const annotations = {
      ...metadata.annotations,
      ...inherited(deployment),
      [revisionAnnotation]: String(revision),
      ...(revision !== revisionOf(current) && history !== '' ? { [historyAnnotation]: history } : {}),
    }
    const minReadySeconds = deployment.spec?.minReadySeconds ?? 0
    let settled = current
    if (!jsonEqual(annotations, metadata.annotations) || (spec?.minReadySeconds ?? 0) !== minReadySeconds) {
      settled = await client.update(
        replicasets,
        { ...current, metadata: { ...metadata, annotations }, spec: { ...spec!, minReadySeconds } },
        signal,
      )
    }
    if (deployment.metadata?.annotations?.[revisionAnnotation] !== String(revision)) {
      const { namespace, name = '', uid } = deployment.metadata ?? {}
      const patch = { metadata: { uid, annotations: { [revisionAnnotation]: String(revision) } } }
      await client.patch(deploymentResource, { namespace, name }, patch, { type: 'merge' }, signal)
    }
    return settled
  }

  /** Carries a scaling out; the server refuses it where our copy of a ReplicaSet is old. Returns the ReplicaSets as they are then. */
  async function scale(deployment: Deployment, sets: ReplicaSets, scaling: Scaling, signal: AbortSignal): Promise<ReplicaSets> {
    const scaleOne = async (replicaSet: ReplicaSet): Promise<ReplicaSet> => {
      const replicas = scaling.get(replicaSet.metadata?.name ?? '') ?? replicasOf(replicaSet)
      const annotations = { ...replicaSet.metadata?.annotations, ...sizeAnnotations(deployment) }
      const isNoted = replicasOf(replicaSet) === 0 || jsonEqual(annotations, replicaSet.metadata?.annotations)
      if (replicas === replicasOf(replicaSet) && isNoted) return replicaSet
      const scaled = { ...replicaSet, metadata: { ...replicaSet.metadata, annotations }, spec: { ...replicaSet.spec!, replicas } }
      const stored = await client.update(replicasets, scaled, signal)
      if (replicas !== replicasOf(replicaSet)) scaledEvent(deployment, replicaSet, { from: replicasOf(replicaSet), to: replicas })
      return stored
    }
    const old = await Promise.all(sets.old.map(scaleOne))
    return { current: sets.current && (await scaleOne(sets.current)), old }
  }

  function scaledEvent(
    deployment: Deployment,
    { metadata }: ReplicaSet,
    { from, to }: { readonly from: number; readonly to: number },
  ): void {
    if (from === to) return
    const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${metadata?.name} from ${from} to ${to}`
    recorder.record(deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message })
  }

  const podsOf = (replicaSet: ReplicaSet) => pods.list().filter(pod => isControlledBy(pod, replicaSet))

  async function rollOut(deployment: Deployment, sets: ReplicaSets, signal: AbortSignal): Promise<ReplicaSets> {
    if (deployment.spec?.strategy?.type === 'Recreate') {
      const down = planScaleDownOld(sets)
      if (down.size > 0) return scale(deployment, sets, down, signal)
      if (sets.old.some(old => podsOf(old).some(pod => !isPodTerminal(pod)))) return sets
    }
    const current = await ensureCurrent(deployment, sets, signal)
    if (!current) return sets
    const settled = { current: await ensureRevision(deployment, { ...sets, current }, signal), old: sets.old }
    const isRolling = deployment.spec?.strategy?.type !== 'Recreate'
    const plan = isRolling
      ? planRollingUpdate(deployment, settled)
      : new Map([[current.metadata?.name ?? '', newReplicas(deployment, settled)]])
    return scale(deployment, settled, plan, signal)
  }

  /** Deletes the oldest ReplicaSets that a finished rollout has no use for. */
  async function cleanUp(deployment: Deployment, { old }: ReplicaSets, signal: AbortSignal): Promise<void> {
    const limit = deployment.spec?.revisionHistoryLimit ?? 10
    const idle = old.filter(
      ({ metadata, spec, status }) =>
        metadata?.deletionTimestamp === undefined &&
        spec?.replicas === 0 &&
        (status?.replicas ?? 0) === 0 &&
        (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0),
    )
    const surplus = [...idle].sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, old.length - limit))
    for (const { metadata: { namespace, name = '', uid = '' } = {} } of surplus) {
      try {
        await client.delete(replicasets, { namespace, name }, { uid }, signal)
      } catch (error) {
        if (!isPodwireError(error, 'NOT_FOUND')) throw error
      }
    }
  }

  return keyedController({
    name: 'deployment',
    parts,
    reads: [deployments, replicaSets, pods],
    watch(queue) {
      onObjectChange(deployments, (before, after) => queue.add(keyOfObject((after ?? before)!)))
      const addOwner = (object: ReplicaSet | Pod | undefined, kind: string) => {
        const owner = object && controllerOf(object)
        return owner?.kind === kind ? `${object?.metadata?.namespace}/${owner.name}` : undefined
      }
      onObjectChange(replicaSets, (before, after) => {
        for (const key of [addOwner(before, 'Deployment'), addOwner(after, 'Deployment')]) if (key) queue.add(key)
        if (after && !controllerOf(after)) {
          for (const deployment of deployments.list()) {
            if (deployment.metadata?.namespace !== after.metadata?.namespace) continue
            if (selectorMatches(deployment.spec?.selector, after.metadata?.labels)) queue.add(keyOfObject(deployment))
          }
        }
      })
      onObjectChange(pods, (before, after) => {
        if (after && !isPodTerminal(after)) return // Only Recreate looks at Pods, and only for their end.
        const replicaSet = replicaSets.get(addOwner(before ?? after, 'ReplicaSet') ?? '')
        const key = addOwner(replicaSet, 'Deployment')
        if (key) queue.add(key)
      })
    },
    async reconcile(key, queue, signal) {
      const deployment = deployments.get(key)
      if (!deployment?.spec) return
      const { namespace, deletionTimestamp } = deployment.metadata ?? {}
      const owned = await claimObjects(
        {
          client,
          owner: deployment,
          ownerResource: deploymentResource,
          selector: deployment.spec.selector,
          resource: replicasets,
          candidates: replicaSets.list().filter(({ metadata }) => metadata?.namespace === namespace),
        },
        signal,
      )
      let sets = sortSets(deployment, owned)
      if (deletionTimestamp === undefined) {
        if (deployment.spec.paused === true || isScalingEvent(deployment, sets)) {
          sets = await scale(deployment, sets, planResize(deployment, sets), signal)
        } else sets = await rollOut(deployment, sets, signal)
      }
      const { status, deadlineInMs } = deploymentStatus(deployment, sets, clock.now())
      if (!jsonEqual(status, deployment.status)) await client.updateStatus(deploymentResource, { ...deployment, status }, signal)
      if (deadlineInMs !== undefined) queue.addAfter(key, deadlineInMs + 1)
      const isComplete = status.updatedReplicas === replicasOf(deployment) && status.replicas === status.updatedReplicas
      if (deletionTimestamp === undefined && isComplete && sets.current) await cleanUp(deployment, sets, signal)
    },
  })
}

const revisionOf = ({ metadata }: ReplicaSet): number => Number(metadata?.annotations?.[revisionAnnotation]) || 0
const nextRevision = ({ old }: ReplicaSets): number => Math.max(0, ...old.map(revisionOf)) + 1

function sortSets(deployment: Deployment, owned: readonly ReplicaSet[]): ReplicaSets {
  const created = ({ metadata }: ReplicaSet) => Date.parse(metadata?.creationTimestamp ?? '') || 0
  const sorted = [...owned].sort((a, b) => created(a) - created(b) || keyOfObject(a).localeCompare(keyOfObject(b)))
  const current = sorted.find(({ spec }) => isSameTemplate(spec?.template, deployment.spec?.template))
  return { current, old: sorted.filter(set => set !== current) }
}

const inherited = ({ metadata }: Deployment): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata?.annotations ?? {}).filter(([name]) => !ownAnnotations.has(name)))

function replicaSetOf(deployment: Deployment, replicas: number, revision: number): ReplicaSet {
  const { selector, template, minReadySeconds } = deployment.spec!
  const hash = templateHash(template, deployment.status?.collisionCount ?? 0)
  return {
    metadata: {
      name: `${deployment.metadata?.name}-${hash}`,
      namespace: deployment.metadata?.namespace ?? 'default',
      labels: { ...template.metadata?.labels, [hashLabel]: hash },
      annotations: { ...inherited(deployment), [revisionAnnotation]: String(revision), ...sizeAnnotations(deployment) },
      ownerReferences: [controllerReference(deploymentResource, deployment)],
    },
    spec: {
      replicas,
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels: { ...template.metadata?.labels, [hashLabel]: hash } } },
    },
  }
}
