import type { ContainerStatus, Pod } from '../generated/types.js'
import { ageOf } from '../human-duration.js'
import type { TableColumn } from '../resource-type.js'
import { ageColumn, column, nameColumn, orNone, wide } from './column.js'

/** What upstream's printer says of a Pod (pkg/printers/internalversion). */
interface PodSummary {
  readonly ready: number
  readonly reason: string
  readonly restarts: string
}

export const podColumns: readonly TableColumn<Pod>[] = [
  nameColumn,
  column('Ready', 'string', 'Containers that are ready, of all', pod => `${summarise(pod, 0).ready}/${pod.spec?.containers.length ?? 0}`),
  column('Status', 'string', 'What the containers amount to', (pod, now) => summarise(pod, now).reason),
  column('Restarts', 'string', 'How often containers were restarted, and when last', (pod, now) => summarise(pod, now).restarts),
  ageColumn,
  wide('IP', 'string', 'The address of the Pod', ({ status }) => orNone(status?.podIPs?.[0]?.ip ?? status?.podIP)),
  wide('Node', 'string', 'The node the Pod is bound to', ({ spec }) => orNone(spec?.nodeName)),
  wide('Nominated Node', 'string', 'The node being freed for the Pod', ({ status }) => orNone(status?.nominatedNodeName)),
  wide('Readiness Gates', 'string', 'Gates that hold, of all', readinessGates),
]

function summarise(pod: Pod, now: number): PodSummary {
  const { metadata, spec, status = {} } = pod
  const initial = initReason(pod)
  const containers = status.containerStatuses ?? []
  const counted = initial === undefined ? containers : (status.initContainerStatuses ?? [])
  let reason = initial ?? (status.reason || status.phase || 'Unknown')
  let hasRunning = false
  let ready = 0
  if (initial === undefined) {
    for (const container of [...containers].reverse()) {
      const said = containerReason(container)
      if (said !== undefined) reason = said
      else if (container.ready && container.state?.running) hasRunning = true
      if (container.ready && container.state?.running) ready++
    }
    if (reason === 'Completed' && hasRunning) {
      reason = status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ? 'Running' : 'NotReady'
    }
  }
  const ended = status.phase === 'Succeeded' || status.phase === 'Failed'
  if (metadata?.deletionTimestamp && status.reason === 'NodeLost') reason = 'Unknown'
  else if (metadata?.deletionTimestamp && !ended) reason = 'Terminating'
  if (spec?.schedulingGates?.length && reason === 'Pending') reason = 'SchedulingGated'
  return { ready, reason, restarts: restartText(counted, now) }
}

/** The state of the first init container that holds the Pod up; undefined once all have passed. */
function initReason({ spec, status }: Pod): string | undefined {
  const statuses = status?.initContainerStatuses ?? []
  for (const [i, { name, state, started }] of statuses.entries()) {
    const isSidecar = spec?.initContainers?.find(container => container.name === name)?.restartPolicy === 'Always'
    if (state?.terminated?.exitCode === 0 || (isSidecar && started)) continue
    if (state?.terminated) return `Init:${state.terminated.reason || endReason(state.terminated)}`
    const waiting = state?.waiting?.reason
    if (waiting && waiting !== 'PodInitializing') return `Init:${waiting}`
    return `Init:${i}/${spec?.initContainers?.length ?? statuses.length}`
  }
  return undefined
}

function containerReason({ state }: ContainerStatus): string | undefined {
  if (state?.waiting?.reason) return state.waiting.reason
  if (state?.terminated) return state.terminated.reason || endReason(state.terminated)
  return undefined
}

const endReason = ({ signal, exitCode }: { readonly signal?: number; readonly exitCode: number }): string =>
  signal ? `Signal:${signal}` : `ExitCode:${exitCode}`

function restartText(statuses: readonly ContainerStatus[], now: number): string {
  const restarts = statuses.reduce((sum, { restartCount }) => sum + restartCount, 0)
  const last = statuses
    .map(({ lastState }) => lastState?.terminated?.finishedAt)
    .filter(time => time !== undefined)
    .sort()
    .at(-1)
  return restarts > 0 && last !== undefined ? `${restarts} (${ageOf(last, now)} ago)` : `${restarts}`
}

function readinessGates({ spec, status }: Pod): string {
  const gates = spec?.readinessGates ?? []
  const holds = gates.filter(({ conditionType }) =>
    status?.conditions?.some(({ type, status }) => type === conditionType && status === 'True'),
  )
  return gates.length === 0 ? '<none>' : `${holds.length}/${gates.length}`
}
