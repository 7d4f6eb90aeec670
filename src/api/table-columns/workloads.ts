import type {
  Container,
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  LabelSelector,
  PodTemplate,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../generated/types.js'
import { ageOf, humanDuration } from '../human-duration.js'
import type { KubeObject, TableColumn } from '../resource-type.js'
import { ageColumn, column, labelText, nameColumn, orNone, selectorText, wide } from './column.js'

const joined = (containers: readonly Container[] | undefined, field: 'name' | 'image'): string =>
  (containers ?? []).map(container => container[field] ?? '').join(',')

/** What `-o wide` says of the Pods that a workload makes. */
function podColumns<T extends KubeObject>(
  containersOf: (object: T) => readonly Container[] | undefined,
  selectorOf?: (object: T) => string,
): readonly TableColumn<T>[] {
  return [
    wide<T>('Containers', 'string', 'Names of the containers', object => joined(containersOf(object), 'name')),
    wide<T>('Images', 'string', 'Images of the containers', object => joined(containersOf(object), 'image')),
    ...(selectorOf ? [wide<T>('Selector', 'string', 'Which Pods are counted', selectorOf)] : []),
  ]
}

interface WithTemplate extends KubeObject {
  readonly spec?: {
    readonly selector?: LabelSelector
    readonly template?: { readonly spec?: { readonly containers: readonly Container[] } }
  }
}

const ofTemplate = podColumns<WithTemplate>(
  ({ spec }) => spec?.template?.spec?.containers,
  ({ spec }) => selectorText(spec?.selector),
)

const readyOfWanted = column<Deployment | StatefulSet>(
  'Ready',
  'string',
  'Replicas that are ready, of those wanted',
  ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
)

export const deploymentColumns: readonly TableColumn<Deployment>[] = [
  nameColumn,
  readyOfWanted,
  column('Up-to-date', 'integer', 'Replicas made from the current template', ({ status }) => status?.updatedReplicas ?? 0),
  column('Available', 'integer', 'Replicas ready for long enough', ({ status }) => status?.availableReplicas ?? 0),
  ageColumn,
  ...ofTemplate,
]

const replicaColumns: readonly TableColumn<ReplicaSet | ReplicationController>[] = [
  nameColumn,
  column('Desired', 'integer', 'Replicas that are wanted', ({ spec }) => spec?.replicas ?? 0),
  column('Current', 'integer', 'Replicas that exist', ({ status }) => status?.replicas ?? 0),
  column('Ready', 'integer', 'Replicas that are ready', ({ status }) => status?.readyReplicas ?? 0),
  ageColumn,
]
export const replicaSetColumns: readonly TableColumn<ReplicaSet>[] = [...replicaColumns, ...ofTemplate]

export const replicationControllerColumns: readonly TableColumn<ReplicationController>[] = [
  ...replicaColumns,
  ...podColumns<ReplicationController>(
    ({ spec }) => spec?.template?.spec?.containers,
    ({ spec }) => labelText(spec?.selector),
  ),
]

export const statefulSetColumns: readonly TableColumn<StatefulSet>[] = [
  nameColumn,
  readyOfWanted,
  ageColumn,
  ...podColumns<StatefulSet>(({ spec }) => spec?.template?.spec?.containers),
]

export const daemonSetColumns: readonly TableColumn<DaemonSet>[] = [
  nameColumn,
  column('Desired', 'integer', 'Nodes that should run the Pod', ({ status }) => status?.desiredNumberScheduled ?? 0),
  column('Current', 'integer', 'Nodes that run it', ({ status }) => status?.currentNumberScheduled ?? 0),
  column('Ready', 'integer', 'Nodes where it is ready', ({ status }) => status?.numberReady ?? 0),
  column('Up-to-date', 'integer', 'Nodes that run the current template', ({ status }) => status?.updatedNumberScheduled ?? 0),
  column('Available', 'integer', 'Nodes where it is ready for long enough', ({ status }) => status?.numberAvailable ?? 0),
  column('Node Selector', 'string', 'Labels a node must have', ({ spec }) => labelText(spec?.template?.spec?.nodeSelector)),
  ageColumn,
  ...ofTemplate,
]

/** The word that upstream has for a Job's conditions. */
function jobStatus({ metadata, status }: Job): string {
  const holds = (type: string): boolean => status?.conditions?.some(other => other.type === type && other.status === 'True') ?? false
  if (holds('Complete')) return 'Complete'
  if (holds('Failed')) return 'Failed'
  if (metadata?.deletionTimestamp) return 'Terminating'
  if (holds('Suspended')) return 'Suspended'
  if (holds('FailureTarget')) return 'FailureTarget'
  return holds('SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running'
}

function completions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`
  const { parallelism = 0 } = spec ?? {}
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`
}

function jobDuration({ status }: Job, now: number): string {
  if (!status?.startTime) return ''
  return humanDuration((status.completionTime ? Date.parse(status.completionTime) : now) - Date.parse(status.startTime))
}

export const jobColumns: readonly TableColumn<Job>[] = [
  nameColumn,
  column('Status', 'string', 'What its conditions amount to', jobStatus),
  column('Completions', 'string', 'Pods that succeeded, of those wanted', completions),
  column('Duration', 'string', 'From start to completion, or until now', jobDuration),
  ageColumn,
  ...ofTemplate,
]

export const cronJobColumns: readonly TableColumn<CronJob>[] = [
  nameColumn,
  column('Schedule', 'string', 'When Jobs are made', ({ spec }) => spec?.schedule ?? ''),
  column('Timezone', 'string', 'Where the schedule is read', ({ spec }) => orNone(spec?.timeZone)),
  column('Suspend', 'boolean', 'True while no Jobs are made', ({ spec }) => (spec?.suspend ? 'True' : 'False')),
  column('Active', 'integer', 'Jobs that run', ({ status }) => status?.active?.length ?? 0),
  column('Last Schedule', 'string', 'When a Job was made last', ({ status }, now) =>
    status?.lastScheduleTime ? ageOf(status.lastScheduleTime, now) : '<none>',
  ),
  ageColumn,
  ...podColumns<CronJob>(
    ({ spec }) => spec?.jobTemplate?.spec?.template?.spec?.containers,
    ({ spec }) => selectorText(spec?.jobTemplate?.spec?.selector),
  ),
]

export const controllerRevisionColumns: readonly TableColumn<ControllerRevision>[] = [
  nameColumn,
  column('Controller', 'string', 'Whose revision it is', ({ metadata, apiVersion }) => {
    const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
    if (!owner) return '<none>'
    const [group] = (owner.apiVersion ?? apiVersion ?? '').split('/')
    return `${owner.kind.toLowerCase()}.${group}/${owner.name}`
  }),
  column('Revision', 'string', 'Its number', ({ revision }) => revision ?? 0),
  ageColumn,
]

export const podTemplateColumns: readonly TableColumn<PodTemplate>[] = [
  nameColumn,
  column('Containers', 'string', 'Names of the containers', ({ template }) => joined(template?.spec?.containers, 'name')),
  column('Images', 'string', 'Images of the containers', ({ template }) => joined(template?.spec?.containers, 'image')),
  column('Pod Labels', 'string', 'Labels of the Pods', ({ template }) => labelText(template?.metadata?.labels)),
]
