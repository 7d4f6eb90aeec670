import { withCondition } from '../../api/conditions.js'
import { nodes as nodeResource, pods as podResource } from '../../api/generated/resources.js'
import type { Node, Pod } from '../../api/generated/types.js'
import { isPodTerminal } from '../../api/pod-state.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { type Clock, systemClock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import { createEventRecorder } from '../../client/event-recorder.js'
import { createInformer, keyOfObject } from '../../client/http-informer.js'
import { createWorkQueue } from '../../reconcile/work-queue.js'
import { chooseNode } from './choose-node.js'
import { buildSnapshot } from './snapshot.js'

export interface SchedulerOptions {
  readonly client: Client
  readonly clock?: Clock
  readonly onError: (error: unknown, key?: string) => void
}

/** Pods that name another scheduler are not ours. */
const schedulerName = 'default-scheduler'

const isWaiting = (pod: Pod | undefined): pod is Pod =>
  pod !== undefined &&
  !pod.spec?.nodeName &&
  !pod.metadata?.deletionTimestamp &&
  !isPodTerminal(pod) &&
  !pod.spec?.schedulingGates?.length &&
  (pod.spec?.schedulerName ?? schedulerName) === schedulerName

/**
 * Binds each waiting Pod to the best node until `signal` aborts. One decision at a time, each on all that is known: a Pod counts on its
 * node from the moment it was bound, before the API server has said so.
 */
export async function runScheduler({ client, clock = systemClock, onError }: SchedulerOptions, signal: AbortSignal): Promise<void> {
  const pods = createInformer(client, podResource, { clock, onError })
  const nodes = createInformer(client, nodeResource, { clock, onError })
  const recorder = createEventRecorder(client, { component: schedulerName, clock, onError })
  const assumed = new Map<string, Pod>()

  function knownPods(): readonly Pod[] {
    return pods.list().map(pod => {
      const bound = assumed.get(keyOfObject(pod))
      return bound && !pod.spec?.nodeName && bound.metadata?.uid === pod.metadata?.uid ? bound : pod
    })
  }

  async function schedule(key: string): Promise<void> {
    const pod = pods.get(key)
    if (!isWaiting(pod) || assumed.get(key)?.metadata?.uid === pod.metadata?.uid) return
    const choice = chooseNode(pod, buildSnapshot(nodes.list(), knownPods()))
    if (choice.node === undefined) return reportUnschedulable(pod, choice.message)
    assumed.set(key, { ...pod, spec: { ...pod.spec!, nodeName: choice.node } })
    try {
      await bind(pod, choice.node)
    } catch (error) {
      assumed.delete(key)
      // Somebody else bound or deleted it meanwhile; the informer brings the truth.
      if (isPodwireError(error, 'CONFLICT') || isPodwireError(error, 'NOT_FOUND')) return
      throw error
    }
    recorder.record(pod, { type: 'Normal', reason: 'Scheduled', message: `Successfully assigned ${key} to ${choice.node}` })
  }

  async function bind({ metadata = {} }: Pod, node: string): Promise<void> {
    const { namespace, name = '', uid } = metadata
    const body = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    }
    await client.createSub(podResource, { namespace, name }, 'binding', body, signal)
  }

  async function reportUnschedulable(pod: Pod, message: string): Promise<void> {
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }
    const known = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
    if (known?.reason === condition.reason && known.message === message) return
    const conditions = withCondition(pod.status?.conditions, condition, clock.now())
    const { namespace, name = '' } = pod.metadata ?? {}
    recorder.record(pod, { type: 'Warning', reason: 'FailedScheduling', message })
    try {
      await client.patch(podResource, { namespace, name }, { status: { conditions } }, { type: 'strategic', subresource: 'status' }, signal)
    } catch (error) {
      if (!isPodwireError(error, 'NOT_FOUND')) throw error
    }
  }

  const queue = createWorkQueue({ reconcile: schedule, clock, onError })
  const retryWaiting = (): void => {
    for (const pod of pods.list()) if (isWaiting(pod)) queue.add(keyOfObject(pod))
  }
  pods.onChange(key => {
    const pod = pods.get(key)
    if (!pod || pod.spec?.nodeName) assumed.delete(key)
    if (isWaiting(pod)) queue.add(key)
    // A Pod that went may have made room for others.
    else if (!pod || isPodTerminal(pod)) retryWaiting()
  })
  const placement = new Map<string, string>()
  nodes.onChange(key => {
    // Heartbeats change nothing for the scheduler.
    const now = JSON.stringify(placementFacts(nodes.get(key)))
    if (placement.get(key) === now) return
    placement.set(key, now)
    retryWaiting()
  })

  const informing = [pods.run(signal), nodes.run(signal)]
  await Promise.race([Promise.all([pods.synced, nodes.synced]), ...informing])
  await Promise.all([...informing, queue.run(signal)])
}

const placementFacts = (node: Node | undefined): unknown =>
  node && [
    node.metadata?.labels,
    node.spec?.unschedulable,
    node.spec?.taints,
    node.status?.allocatable,
    node.status?.conditions?.find(({ type }) => type === 'Ready')?.status,
  ]
