import { nodes as nodeResource, pods as podResource } from '../../api/generated/resources.js'
import type { Node, Pod } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

/** A node that is gone may come back under its name so soon; upstream's quarantine. */
const quarantineMs = 40_000

interface Parts extends ControllerParts {
  readonly nodes: Informer<Node>
  readonly pods: Informer<Pod>
}

/** Removes Pods that no kubelet will ever end: those bound to nodes that are gone. */
export function podGarbageCollector(parts: Parts): Controller {
  const { client, nodes, pods, clock = systemClock } = parts
  /** When a node was first missed. */
  const missedAt = new Map<string, number>()
  return keyedController({
    name: 'pod-gc',
    parts,
    reads: [nodes, pods],
    watch(queue) {
      onObjectChange(nodes, (before, after) => {
        const name = (after ?? before)?.metadata?.name
        if (after) missedAt.delete(name ?? '')
        else for (const pod of pods.list()) if (pod.spec?.nodeName === name) queue.add(keyOfObject(pod))
      })
      onObjectChange(pods, (before, after) => {
        if (after?.spec?.nodeName !== undefined && before?.spec?.nodeName === undefined) queue.add(keyOfObject(after))
      })
    },
    async reconcile(key, queue, signal) {
      const { metadata: { namespace, name = '', uid = '' } = {}, spec } = pods.get(key) ?? {}
      if (spec?.nodeName === undefined || nodes.get(spec.nodeName) !== undefined) return
      const since = missedAt.get(spec.nodeName) ?? clock.now()
      missedAt.set(spec.nodeName, since)
      const leftMs = since + quarantineMs - clock.now()
      if (leftMs > 0) {
        queue.addAfter(key, leftMs)
        return
      }
      try {
        await client.get(nodeResource, { name: spec.nodeName }, signal)
        return
      } catch (error) {
        if (!isPodwireError(error, 'NOT_FOUND')) throw error
      }
      try {
        await client.delete(podResource, { namespace, name }, { uid, gracePeriodSeconds: 0 }, signal)
      } catch (error) {
        if (!isPodwireError(error, 'NOT_FOUND')) throw error
      }
    },
  })
}
