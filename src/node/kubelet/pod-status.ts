import type { Container, ContainerState, ContainerStatus, Pod, PodCondition, PodStatus } from '../../api/generated/types.js'
import type { ContainerHealth } from './container-health.js'
import type { KubeletConfig } from './kubelet-config.js'
import { buildPodConditions } from './pod-conditions.js'
import { isHostNetwork } from './pod-identity.js'
import { isSidecar, mayRestart, usableSandbox } from './pod-plan.js'
import type { RuntimeContainer, RuntimePod } from './pod-runtime.js'
import { qosClassOf } from './resources.js'

/** Why a container does not run yet, in Kubernetes' words. */
export interface Waiting {
  readonly reason: string
  readonly message: string
}

export interface PodStatusInput {
  readonly pod: Pod
  readonly observed: RuntimePod
  readonly health: ContainerHealth
  /** By container name. */
  readonly waiting: ReadonlyMap<string, Waiting>
  readonly config: Pick<KubeletConfig, 'nodeAddress' | 'furtherAddresses'>
  readonly nowMs: number
  /** Set when the kubelet itself ended the Pod: it failed, whatever its containers say. */
  readonly failure?: Waiting | undefined
}

/** A Pod's status as its runtime and its probes show it. What stays the same keeps its times; the same input gives the same status. */
export function buildPodStatus(input: PodStatusInput): PodStatus {
  const { pod, observed, config, nowMs, failure } = input
  const now = timestamp(nowMs)
  const old = pod.status ?? {}
  const initContainers = pod.spec?.initContainers ?? []
  const initStatuses = initContainers.map(container => containerStatus(container, 'PodInitializing', input))
  const isInitialized = initContainers.every((container, i) => hasInitialized(container, initStatuses[i]!))
  const waitingFor = isInitialized || initContainers.length === 0 ? 'ContainerCreating' : 'PodInitializing'
  const statuses = (pod.spec?.containers ?? []).map(container => containerStatus(container, waitingFor, input))
  const phase = failure ? 'Failed' : phaseOf({ pod, initStatuses, statuses, isInitialized })
  const sandbox = usableSandbox(pod, observed)
  const known = isHostNetwork(pod) ? (observed.sandboxes.length > 0 ? [config.nodeAddress] : []) : (sandbox?.ips ?? [])
  const ips = known.length > 0 ? known : observed.containers.length > 0 || isEnd(phase) ? (old.podIPs ?? []).map(({ ip }) => ip) : []
  return {
    phase,
    conditions: mergeConditions(
      old.conditions ?? [],
      buildPodConditions({ pod, phase, isInitialized, hasNetwork: sandbox !== undefined, initStatuses, statuses }),
      now,
    ),
    hostIP: config.nodeAddress,
    hostIPs: [config.nodeAddress, ...(config.furtherAddresses ?? [])].map(ip => ({ ip })),
    ...(ips.length > 0 ? { podIP: ips[0]!, podIPs: ips.map(ip => ({ ip })) } : {}),
    startTime: old.startTime ?? now,
    ...(initStatuses.length > 0 ? { initContainerStatuses: initStatuses } : {}),
    containerStatuses: statuses,
    qosClass: qosClassOf(pod),
    ...(failure ?? (old.reason && isEnd(phase) ? { reason: old.reason, ...(old.message ? { message: old.message } : {}) } : {})),
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  }
}

/** Times of the API have whole seconds. */
export const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

const isEnd = (phase: string): boolean => phase === 'Succeeded' || phase === 'Failed'

function hasInitialized(container: Container, status: ContainerStatus): boolean {
  if (isSidecar(container)) return status.started === true
  return status.state?.terminated?.exitCode === 0
}

function containerStatus(container: Container, waitingFor: string, input: PodStatusInput): ContainerStatus {
  const { pod, observed, health, waiting } = input
  const old = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    status => status.name === container.name,
  )
  const all = observed.containers.filter(({ name }) => name === container.name)
  const [latest, before] = all
  const why = waiting.get(container.name)
  const base = { name: container.name, image: container.image ?? '' }
  if (!latest || latest.state === 'created') {
    // What the runtime has forgotten is still in the status that was published.
    if (!why && old?.state?.terminated && !latest) return old
    const lastState = before ? endedState(before) : old?.state?.terminated ? { terminated: old.state.terminated } : old?.lastState
    return {
      ...base,
      imageID: '',
      ready: false,
      started: false,
      restartCount: latest?.attempt ?? old?.restartCount ?? 0,
      state: { waiting: why ?? { reason: waitingFor } },
      lastState: lastState ?? {},
    }
  }
  const isRunning = latest.state === 'running'
  const isWaiting = !isRunning && why !== undefined
  const lastEnd = isWaiting ? latest : before
  return {
    ...base,
    image: latest.image,
    imageID: latest.imageId,
    containerID: `containerd://${latest.id}`,
    restartCount: latest.attempt,
    ready: isReadyOf(container, latest, input),
    started: isRunning && health.isStarted(latest.id),
    state: isRunning ? { running: { startedAt: timestamp(latest.startedAtMs) } } : isWaiting ? { waiting: why } : endedState(latest),
    lastState: lastEnd ? endedState(lastEnd) : (old?.lastState ?? {}),
  }
}

/** An init container is ready when it has done its work. */
function isReadyOf(container: Container, latest: RuntimeContainer, { pod, health }: PodStatusInput): boolean {
  if (latest.state === 'running') return health.isReady(latest.id)
  const isInit = pod.spec?.initContainers?.includes(container) ?? false
  return isInit && !isSidecar(container) && latest.exitCode === 0
}

function endedState(container: RuntimeContainer): ContainerState {
  return {
    terminated: {
      containerID: `containerd://${container.id}`,
      exitCode: container.exitCode,
      reason: container.reason || (container.exitCode === 0 ? 'Completed' : 'Error'),
      ...(container.message ? { message: container.message } : {}),
      startedAt: timestamp(container.startedAtMs),
      finishedAt: timestamp(container.finishedAtMs),
    },
  }
}

interface PhaseInput {
  readonly pod: Pod
  readonly initStatuses: readonly ContainerStatus[]
  readonly statuses: readonly ContainerStatus[]
  readonly isInitialized: boolean
}

/** Source: Kubernetes documentation, Pod lifecycle. An end that was published is never taken back. */
function phaseOf({ pod, initStatuses, statuses, isInitialized }: PhaseInput): string {
  const published = pod.status?.phase
  if (published && isEnd(published)) return published
  const inits = pod.spec?.initContainers ?? []
  const initFailed = inits.some((container, i) => {
    const ended = initStatuses[i]!.state?.terminated
    return !isSidecar(container) && ended && ended.exitCode !== 0 && !mayRestart(pod, container, ended)
  })
  if (initFailed) return 'Failed'
  if (!isInitialized && statuses.every(({ state }) => state?.waiting)) return 'Pending'
  const isFresh = (status: ContainerStatus) => status.state?.waiting !== undefined && status.lastState?.terminated === undefined
  if (statuses.some(isFresh)) return 'Pending'
  const ended = statuses.flatMap(({ state }) => (state?.terminated ? [state.terminated] : []))
  if (ended.length < statuses.length) return 'Running'
  const mains = pod.spec?.containers ?? []
  if (mains.some((container, i) => mayRestart(pod, container, ended[i]!))) return 'Running'
  return ended.every(({ exitCode }) => exitCode === 0) ? 'Succeeded' : 'Failed'
}

/** Conditions that others set are kept; ours keep their time as long as their status stays the same. */
function mergeConditions(old: readonly PodCondition[], ours: readonly PodCondition[], now: string): readonly PodCondition[] {
  const types = new Set(ours.map(({ type }) => type))
  const merged = ours.map(condition => {
    const before = old.find(({ type }) => type === condition.type)
    const lastTransitionTime = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now
    return { ...condition, lastTransitionTime }
  })
  return [...merged, ...old.filter(({ type }) => !types.has(type))]
}
