import { withCondition } from '../../api/conditions.js'
import { nodes as nodeResource, pods as podResource } from '../../api/generated/resources.js'
import type { Lease, Node, NodeCondition, Pod, Taint } from '../../api/generated/types.js'
import { isPodReady } from '../../api/pod-state.js'
import { timeText } from '../../api/time-text.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { createEventRecorder } from '../../client/event-recorder.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

const notReadyKey = 'node.kubernetes.io/not-ready'
const unreachableKey = 'node.kubernetes.io/unreachable'

interface Parts extends ControllerParts {
  readonly nodes: Informer<Node>
  /** Those of the namespace kube-node-lease, named after their nodes. */
  readonly leases: Informer<Lease>
  readonly pods: Informer<Pod>
  /** A node that gave no sign of life for so long counts as unreachable; upstream's default is 50 s. */
  readonly gracePeriodMs?: number
}

/** Says of nodes that fell silent that nothing is known of them, and taints those that take no Pods. */
export function nodeLifecycleController(parts: Parts): Controller {
  const { client, nodes, leases, pods, clock = systemClock, gracePeriodMs = 50_000 } = parts
  const recorder = createEventRecorder(client, { component: 'node-controller', clock })
  /** When a sign of life was last seen, by our own clock: those of the nodes may go wrong. */
  const seen = new Map<string, { readonly sign: string; readonly at: number }>()

  function silentForMs(name: string, node: Node): number {
    const heartbeat = node.status?.conditions?.find(({ type }) => type === 'Ready')?.lastHeartbeatTime
    const sign = `${node.metadata?.uid} ${leases.get(`kube-node-lease/${name}`)?.spec?.renewTime} ${heartbeat}`
    const known = seen.get(name)
    if (known?.sign === sign) return clock.now() - known.at
    seen.set(name, { sign, at: clock.now() })
    return 0
  }

  async function markUnknown(node: Node, signal: AbortSignal): Promise<Node> {
    let conditions = node.status?.conditions ?? []
    for (const type of ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']) {
      const known = conditions.find(condition => condition.type === type)
      if (known === undefined && type !== 'Ready') continue
      const unknown: NodeCondition = {
        type,
        status: 'Unknown',
        reason: known === undefined ? 'NodeStatusNeverUpdated' : 'NodeStatusUnknown',
        message: known === undefined ? 'Kubelet never posted node status.' : 'Kubelet stopped posting node status.',
        ...(known?.lastHeartbeatTime === undefined ? {} : { lastHeartbeatTime: known.lastHeartbeatTime }),
      }
      conditions = withCondition(conditions, unknown, clock.now())
    }
    recorder.record(node, { type: 'Normal', reason: 'NodeNotReady', message: `Node ${node.metadata?.name} status is now: NodeNotReady` })
    return client.updateStatus(nodeResource, { ...node, status: { ...node.status, conditions } }, signal)
  }

  /** Pods of a node that nothing is known of count as serving nobody, whatever their last status says. */
  async function markPodsNotReady(name: string, signal: AbortSignal): Promise<void> {
    const serving = pods.list().filter(pod => pod.spec?.nodeName === name && isPodReady(pod))
    await Promise.all(
      serving.map(async pod => {
        const ready = { ...pod.status?.conditions?.find(({ type }) => type === 'Ready'), type: 'Ready', status: 'False' }
        const conditions = withCondition(pod.status?.conditions, ready, clock.now())
        try {
          await client.updateStatus(podResource, { ...pod, status: { ...pod.status, conditions } }, signal)
        } catch (error) {
          if (!isPodwireError(error, 'NOT_FOUND')) throw error
        }
      }),
    )
  }

  async function setTaints(node: Node, signal: AbortSignal): Promise<void> {
    const wanted = taintsFor(node, clock.now())
    if (wanted === node.spec?.taints) return
    const { name = '', uid, resourceVersion } = node.metadata ?? {}
    await client.patch(nodeResource, { name }, { metadata: { uid, resourceVersion }, spec: { taints: wanted } }, { type: 'merge' }, signal)
  }

  return keyedController({
    name: 'node-lifecycle',
    parts,
    reads: [nodes, leases, pods],
    watch(queue) {
      onObjectChange(nodes, (before, after) => queue.add((after ?? before)?.metadata?.name ?? ''))
      onObjectChange(leases, (_before, after) => after && queue.add(after.metadata?.name ?? ''))
      onObjectChange(pods, (before, after) => {
        const name = after?.spec?.nodeName
        if (name !== undefined && (!before || !isPodReady(before)) && after && isPodReady(after)) queue.add(name)
      })
    },
    async reconcile(name, queue, signal) {
      const node = nodes.get(name)
      if (!node) {
        seen.delete(name)
        return
      }
      const silentMs = silentForMs(name, node)
      const readiness = node.status?.conditions?.find(({ type }) => type === 'Ready')?.status
      const isSilent = silentMs >= gracePeriodMs
      if (!isSilent) queue.addAfter(name, gracePeriodMs - silentMs)
      const judged = isSilent && readiness !== 'Unknown' ? await markUnknown(node, signal) : node
      await setTaints(judged, signal)
      // A kubelet that lives, on a node that is not ready, speaks for its Pods itself.
      if (judged.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'Unknown'))
        await markPodsNotReady(name, signal)
    },
  })
}

/** The node's taints with ours as its condition Ready says; the same array when they are right already. */
export function taintsFor(node: Node, nowMs: number): readonly Taint[] | undefined {
  const present = node.spec?.taints ?? []
  const readiness = node.status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown'
  const key = readiness === 'True' ? undefined : readiness === 'False' ? notReadyKey : unreachableKey
  const isOurs = (taint: Taint) => taint.key === notReadyKey || taint.key === unreachableKey
  const effects = ['NoSchedule', 'NoExecute']
  const isRight = (taint: Taint) => taint.key === key && effects.includes(taint.effect)
  const right = present.filter(isRight)
  if (present.every(taint => !isOurs(taint) || isRight(taint)) && (key === undefined || right.length === effects.length))
    return node.spec?.taints
  const missing = key === undefined ? [] : effects.filter(effect => !right.some(taint => taint.effect === effect))
  const timeAdded = timeText(nowMs)
  return [...present.filter(taint => !isOurs(taint) || isRight(taint)), ...missing.map(effect => ({ key: key!, effect, timeAdded }))]
}
