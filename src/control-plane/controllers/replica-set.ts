import { pods as podResource, replicasets } from '../../api/generated/resources.js'
import type { Pod, ReplicaSet } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { controllerOf, controllerReference } from '../../api/owners.js'
import { selectorMatches } from '../../api/selector.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { createEventRecorder } from '../../client/event-recorder.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { claimObjects } from './claim.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { createExpectations, expectationTimeoutMs, generatedName } from './expectations.js'
import { onObjectChange } from './object-changes.js'
import { planReplicas, replicaSetStatus } from './replica-set-plan.js'

/** The most Pods made or deleted for one ReplicaSet at a time. */
const burst = 500

interface Parts extends ControllerParts {
  readonly replicaSets: Informer<ReplicaSet>
  readonly pods: Informer<Pod>
}

/** Keeps as many Pods as each ReplicaSet says. */
export function replicaSetController(parts: Parts): Controller {
  const { client, replicaSets, pods, clock = systemClock } = parts
  const expectations = createExpectations(pods, clock)
  const recorder = createEventRecorder(client, { component: 'replicaset-controller', clock })

  async function createPods(key: string, replicaSet: ReplicaSet, count: number, signal: AbortSignal): Promise<void> {
    const createOne = async () => {
      const pod = podOf(replicaSet)
      const podKey = keyOfObject(pod)
      expectations.expect(key, podKey, () => true)
      try {
        await client.create(podResource, pod, signal)
      } catch (error) {
        expectations.cancel(key, podKey)
        throw error
      }
      recorder.record(replicaSet, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created pod: ${pod.metadata?.name}` })
    }
    // Twice as many each time, so that a template which the server refuses costs one request, not hundreds.
    for (let made = 0, batch = 1; made < count; made += batch, batch = Math.min(batch * 2, count - made)) {
      const results = await Promise.allSettled(Array.from({ length: batch }, createOne))
      const failed = results.find(result => result.status === 'rejected')
      if (failed) throw failed.reason
    }
  }

  async function deletePods(key: string, replicaSet: ReplicaSet, unwanted: readonly Pod[], signal: AbortSignal): Promise<void> {
    const deleteOne = async ({ metadata = {} }: Pod) => {
      const { namespace, name = '', uid = '' } = metadata
      const podKey = `${namespace}/${name}`
      expectations.expect(key, podKey, pod => pod?.metadata?.uid !== uid || pod.metadata.deletionTimestamp !== undefined)
      try {
        await client.delete(podResource, { namespace, name }, { uid }, signal)
      } catch (error) {
        expectations.cancel(key, podKey)
        if (isPodwireError(error, 'NOT_FOUND')) return
        throw error
      }
      recorder.record(replicaSet, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` })
    }
    const results = await Promise.allSettled(unwanted.map(deleteOne))
    const failed = results.find(result => result.status === 'rejected')
    if (failed) throw failed.reason
  }

  return keyedController({
    name: 'replicaset',
    parts,
    reads: [replicaSets, pods],
    watch(queue) {
      onObjectChange(replicaSets, (before, after) => queue.add(keyOfObject((after ?? before)!)))
      onObjectChange(pods, (before, after) => {
        for (const pod of [before, after]) {
          const owner = pod && controllerOf(pod)
          if (owner?.kind === 'ReplicaSet') queue.add(`${pod?.metadata?.namespace}/${owner.name}`)
        }
        if (after && !controllerOf(after)) {
          for (const replicaSet of replicaSets.list()) {
            if (replicaSet.metadata?.namespace !== after.metadata?.namespace) continue
            if (selectorMatches(replicaSet.spec?.selector, after.metadata?.labels)) queue.add(keyOfObject(replicaSet))
          }
        }
      })
    },
    async reconcile(key, queue, signal) {
      const replicaSet = replicaSets.get(key)
      if (!replicaSet?.spec) {
        expectations.forget(key)
        return
      }
      const { namespace } = replicaSet.metadata ?? {}
      const owned = await claimObjects(
        {
          client,
          owner: replicaSet,
          ownerResource: replicasets,
          selector: replicaSet.spec.selector,
          resource: podResource,
          candidates: pods.list().filter(({ metadata }) => metadata?.namespace === namespace),
        },
        signal,
      )
      let failure: { reason: string; message: string } | undefined
      let failed: unknown
      if (expectations.isMet(key) && replicaSet.metadata?.deletionTimestamp === undefined) {
        const { create, remove } = planReplicas(replicaSet, owned)
        try {
          await createPods(key, replicaSet, Math.min(create, burst), signal)
          await deletePods(key, replicaSet, remove.slice(0, burst), signal)
        } catch (error) {
          failed = error
          const reason = create > 0 ? 'FailedCreate' : 'FailedDelete'
          const message = error instanceof Error ? error.message : String(error)
          failure = { reason, message }
          if (!signal.aborted) recorder.record(replicaSet, { type: 'Warning', reason, message })
        }
      }
      const { status, changesInMs } = replicaSetStatus(replicaSet, owned, failure, clock.now())
      if (!jsonEqual(status, replicaSet.status)) await client.updateStatus(replicasets, { ...replicaSet, status }, signal)
      if (changesInMs !== undefined) queue.addAfter(key, changesInMs)
      if (!expectations.isMet(key)) queue.addAfter(key, expectationTimeoutMs) // For what comes and goes unseen.
      if (failed !== undefined) throw failed
    },
  })
}

function podOf(replicaSet: ReplicaSet): Pod {
  const { metadata = {}, spec } = replicaSet.spec?.template ?? {}
  const { labels, annotations, finalizers } = metadata
  const generateName = `${replicaSet.metadata?.name}-`
  return {
    metadata: {
      name: generatedName(generateName),
      generateName,
      namespace: replicaSet.metadata?.namespace ?? 'default',
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
      ownerReferences: [controllerReference(replicasets, replicaSet)],
    },
    ...(spec && { spec }),
  }
}
