import type { ContainerStatus, Pod, PodCondition } from '../../api/generated/types.js'

interface ConditionInput {
  readonly pod: Pod
  readonly phase: string
  readonly isInitialized: boolean
  readonly hasNetwork: boolean
  readonly initStatuses: readonly ContainerStatus[]
  readonly statuses: readonly ContainerStatus[]
}

type Condition = Omit<PodCondition, 'lastTransitionTime'>

/** The conditions that a kubelet owns, in the order in which a Pod passes them. */
export function buildPodConditions(input: ConditionInput): readonly Condition[] {
  const { hasNetwork } = input
  const containersReady = containersReadyCondition(input)
  return [
    { type: 'PodReadyToStartContainers', status: hasNetwork ? 'True' : 'False' },
    initializedCondition(input),
    readyCondition(input, containersReady),
    containersReady,
    { type: 'PodScheduled', status: 'True' },
  ].map(condition => withGeneration(condition, input.pod))
}

const withGeneration = (condition: Condition, pod: Pod): Condition =>
  pod.metadata?.generation === undefined ? condition : { ...condition, observedGeneration: pod.metadata.generation }

function initializedCondition({ phase, isInitialized, initStatuses }: ConditionInput): Condition {
  if (phase === 'Succeeded') return { type: 'Initialized', status: 'True', reason: 'PodCompleted' }
  if (isInitialized) return { type: 'Initialized', status: 'True' }
  const names = initStatuses.filter(({ ready, started }) => !ready && !started).map(({ name }) => name)
  const message = `containers with incomplete status: [${names.join(' ')}]`
  return { type: 'Initialized', status: 'False', reason: 'ContainersNotInitialized', message }
}

function containersReadyCondition({ phase, statuses, initStatuses, pod }: ConditionInput): Condition {
  const type = 'ContainersReady'
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' }
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' }
  const sidecars = new Set(
    (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  )
  const unready = [...initStatuses.filter(({ name }) => sidecars.has(name)), ...statuses].filter(({ ready }) => !ready)
  if (unready.length === 0) return { type, status: 'True' }
  const message = `containers with unready status: [${unready.map(({ name }) => name).join(' ')}]`
  return { type, status: 'False', reason: 'ContainersNotReady', message }
}

/** A Pod is ready when its containers are and every readiness gate has a condition that says True. */
function readyCondition({ pod }: ConditionInput, containersReady: Condition): Condition {
  if (containersReady.status !== 'True') return { ...containersReady, type: 'Ready' }
  const closed = (pod.spec?.readinessGates ?? []).filter(
    gate => !pod.status?.conditions?.some(({ type, status }) => type === gate.conditionType && status === 'True'),
  )
  if (closed.length === 0) return { type: 'Ready', status: 'True' }
  const message = `the status of pod readiness gate "${closed[0]!.conditionType}" is not "True"`
  return { type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady', message }
}
