import { pods as podResource } from '../../api/generated/resources.js'
import type { Node, Pod, Taint } from '../../api/generated/types.js'
import { isPodTerminal } from '../../api/pod-state.js'
import { tolerates } from '../../api/tolerations.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { createEventRecorder } from '../../client/event-recorder.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

/**
 * How long a Pod that says nothing of them stays on a node with these taints; upstream writes the same tolerations into each Pod
 * (admission plugin DefaultTolerationSeconds).
 */
const defaultTolerationSeconds: Readonly<Record<string, number>> = {
  'node.kubernetes.io/not-ready': 300,
  'node.kubernetes.io/unreachable': 300,
}

interface Parts extends ControllerParts {
  readonly nodes: Informer<Node>
  readonly pods: Informer<Pod>
}

/** Deletes Pods from nodes whose NoExecute taints they do not, or no longer, tolerate. */
export function taintEvictionController(parts: Parts): Controller {
  const { client, nodes, pods, clock = systemClock } = parts
  const recorder = createEventRecorder(client, { component: 'taint-eviction-controller', clock })
  return keyedController({
    name: 'taint-eviction',
    parts,
    reads: [nodes, pods],
    watch(queue) {
      onObjectChange(nodes, (before, after) => {
        if (!after || before?.spec?.taints === after.spec?.taints) return
        for (const pod of pods.list()) if (pod.spec?.nodeName === after.metadata?.name) queue.add(keyOfObject(pod))
      })
      onObjectChange(pods, (before, after) => {
        if (after?.spec?.nodeName !== undefined && before?.spec?.nodeName === undefined) queue.add(keyOfObject(after))
      })
    },
    async reconcile(key, queue, signal) {
      const pod = pods.get(key)
      const { namespace, name = '', uid = '', deletionTimestamp } = pod?.metadata ?? {}
      if (!pod || deletionTimestamp !== undefined || isPodTerminal(pod)) return
      const taints = nodes.get(pod.spec?.nodeName ?? '')?.spec?.taints?.filter(({ effect }) => effect === 'NoExecute') ?? []
      const leftMs = Math.min(...taints.map(taint => toleratedUntil(pod, taint))) - clock.now()
      if (leftMs === Number.POSITIVE_INFINITY) return
      if (leftMs > 0) {
        queue.addAfter(key, leftMs)
        return
      }
      recorder.record(pod, {
        type: 'Normal',
        reason: 'TaintManagerEviction',
        message: `Deleting pod ${key}: its node has a taint it does not tolerate`,
      })
      try {
        await client.delete(podResource, { namespace, name }, { uid }, signal)
      } catch (error) {
        if (!isPodwireError(error, 'NOT_FOUND')) throw error
      }
    },
  })
}

/** When the Pod must leave because of this taint; Infinity when never. */
function toleratedUntil({ spec }: Pod, taint: Taint): number {
  const since = Date.parse(taint.timeAdded ?? '') || 0
  const fitting = (spec?.tolerations ?? []).filter(toleration => tolerates(toleration, taint))
  if (fitting.length === 0) return since + (defaultTolerationSeconds[taint.key] ?? 0) * 1000
  const seconds = fitting.flatMap(({ tolerationSeconds }) => tolerationSeconds ?? [])
  return seconds.length === 0 ? Number.POSITIVE_INFINITY : since + Math.max(0, Math.min(...seconds)) * 1000
}
