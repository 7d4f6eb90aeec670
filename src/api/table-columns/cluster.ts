import type { ConfigMap, Event, EventsEvent, Lease, Namespace, Node, Secret, ServiceAccount } from '../generated/types.js'
import { ageOf } from '../human-duration.js'
import type { TableColumn } from '../resource-type.js'
import { newEventForm } from '../strategies/events.js'
import { ageColumn, column, nameColumn, orNone, wide } from './column.js'

export const namespaceColumns: readonly TableColumn<Namespace>[] = [
  nameColumn,
  column('Status', 'string', 'Active, or Terminating while it is emptied', ({ status }) => status?.phase ?? ''),
  ageColumn,
]

const rolePrefix = 'node-role.kubernetes.io/'
const unknown = (text: string | undefined): string => (text ? text : '<unknown>')

export const nodeColumns: readonly TableColumn<Node>[] = [
  nameColumn,
  column('Status', 'string', 'Whether Pods can run here', nodeStatus),
  column('Roles', 'string', 'From labels', ({ metadata }) => {
    const labels = Object.entries(metadata?.labels ?? {})
    const roles = labels.flatMap(([key, value]) =>
      key.startsWith(rolePrefix) && key.length > rolePrefix.length
        ? [key.slice(rolePrefix.length)]
        : key === 'kubernetes.io/role' && value
          ? [value]
          : [],
    )
    return orNone(roles.sort().join(','))
  }),
  ageColumn,
  column('Version', 'string', 'Of the kubelet', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
  wide('Internal-IP', 'string', 'Inside the cluster', node => orNone(addressOf(node, 'InternalIP'))),
  wide('External-IP', 'string', 'Outside the cluster', node => orNone(addressOf(node, 'ExternalIP'))),
  wide('OS-Image', 'string', 'What the node runs', ({ status }) => unknown(status?.nodeInfo?.osImage)),
  wide('Kernel-Version', 'string', 'Its kernel', ({ status }) => unknown(status?.nodeInfo?.kernelVersion)),
  wide('Container-Runtime', 'string', 'Its container runtime', ({ status }) => unknown(status?.nodeInfo?.containerRuntimeVersion)),
]

function nodeStatus({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  const word = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word
}

const addressOf = ({ status }: Node, wanted: string): string | undefined => status?.addresses?.find(({ type }) => type === wanted)?.address

export const configMapColumns: readonly TableColumn<ConfigMap>[] = [
  nameColumn,
  column(
    'Data',
    'string',
    'How many entries',
    ({ data, binaryData }) => Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length,
  ),
  ageColumn,
]

export const secretColumns: readonly TableColumn<Secret>[] = [
  nameColumn,
  column('Type', 'string', 'What the entries mean', ({ type }) => type ?? ''),
  column('Data', 'string', 'How many entries', ({ data }) => Object.keys(data ?? {}).length),
  ageColumn,
]

export const serviceAccountColumns: readonly TableColumn<ServiceAccount>[] = [
  nameColumn,
  column('Secrets', 'string', 'How many secrets it may use', ({ secrets }) => secrets?.length ?? 0),
  ageColumn,
]

export const leaseColumns: readonly TableColumn<Lease>[] = [
  nameColumn,
  column('Holder', 'string', 'Who holds it', ({ spec }) => spec?.holderIdentity ?? ''),
  ageColumn,
]

const firstSeen = ({ firstTimestamp, eventTime, metadata }: Event): string | undefined =>
  firstTimestamp ?? eventTime ?? metadata?.creationTimestamp
const lastSeen = (event: Event): string | undefined => event.series?.lastObservedTime ?? event.lastTimestamp ?? firstSeen(event)
const timesSeen = ({ series, count }: Event): number => series?.count ?? count ?? 1

export const eventColumns: readonly TableColumn<Event>[] = [
  column('Last Seen', 'string', 'When it happened last', (event, now) => ageOf(lastSeen(event), now)),
  column('Type', 'string', 'Normal or Warning', ({ type }) => type ?? ''),
  column('Reason', 'string', 'Why, in one word', ({ reason }) => reason ?? ''),
  column('Object', 'string', 'What it is about', ({ involvedObject: { kind = '', name = '' } }) => `${kind.toLowerCase()}/${name}`),
  wide('Subobject', 'string', 'Which part of it', ({ involvedObject }) => involvedObject.fieldPath ?? ''),
  wide('Source', 'string', 'Who says so', ({ source, reportingComponent }) =>
    source?.host ? `${source.component ?? ''}, ${source.host}` : (source?.component ?? reportingComponent ?? ''),
  ),
  column('Message', 'string', 'What happened', ({ message }) => (message ?? '').trim()),
  wide('First Seen', 'string', 'When it happened first', (event, now) => ageOf(firstSeen(event), now)),
  wide('Count', 'string', 'How often', timesSeen),
  { ...nameColumn, priority: 1 },
]

/** The same columns for events of the newer group, by its own names of the fields. */
export const newEventColumns: readonly TableColumn<EventsEvent>[] = eventColumns.map(({ cell, ...column }) => ({
  ...column,
  cell: (event, now) => cell(newEventForm.toStored(event) as Event, now),
}))
