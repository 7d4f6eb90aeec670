import type {
  AutoscalingV1HorizontalPodAutoscaler,
  AutoscalingV2HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
  Scale,
} from '../generated/types.js'
import type { TableColumn } from '../resource-type.js'
import { autoscalerV1Form } from '../strategies/autoscaling.js'
import { ageColumn, column, nameColumn } from './column.js'

const mostMetrics = 2

interface Aim {
  readonly label: string
  readonly target: MetricTarget | undefined
  readonly current: MetricValueStatus | undefined
}

/** What a metric is called, is to be and is. */
function aimOf({ type, resource, containerResource, pods, object, external }: MetricSpec, status: MetricStatus | undefined): Aim {
  switch (type) {
    case 'Resource':
      return { label: `${resource?.name}: `, target: resource?.target, current: status?.resource?.current }
    case 'ContainerResource':
      return { label: `${containerResource?.name}: `, target: containerResource?.target, current: status?.containerResource?.current }
    case 'Pods':
      return { label: '', target: pods?.target, current: status?.pods?.current }
    case 'Object':
      return { label: '', target: object?.target, current: status?.object?.current }
    default:
      return { label: '', target: external?.target, current: status?.external?.current }
  }
}

function aimText({ label, target, current }: Aim): string {
  if (target?.averageUtilization !== undefined) {
    return `${label}${current?.averageUtilization === undefined ? '<unknown>' : `${current.averageUtilization}%`}/${target.averageUtilization}%`
  }
  if (target?.averageValue !== undefined) {
    const suffix = label === '' && target.value === undefined ? ' (avg)' : ''
    return `${label}${current?.averageValue ?? '<unknown>'}/${target.averageValue}${suffix}`
  }
  return `${label}${current?.value ?? '<unknown>'}/${target?.value ?? '<auto>'}`
}

function targets({ spec, status }: AutoscalingV2HorizontalPodAutoscaler): string {
  const metrics = spec?.metrics ?? []
  if (metrics.length === 0) return '<none>'
  const texts = metrics.slice(0, mostMetrics).map((metric, i) => aimText(aimOf(metric, status?.currentMetrics?.[i])))
  return metrics.length > mostMetrics ? `${texts.join(', ')} + ${metrics.length - mostMetrics} more...` : texts.join(', ')
}

export const autoscalerColumns: readonly TableColumn<AutoscalingV2HorizontalPodAutoscaler>[] = [
  nameColumn,
  column('Reference', 'string', 'What is scaled', ({ spec }) => (spec ? `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}` : '')),
  column('Targets', 'string', 'What its metrics are, and should be', targets),
  column('MinPods', 'string', 'Never fewer', ({ spec }) => spec?.minReplicas ?? '<unset>'),
  column('MaxPods', 'string', 'Never more', ({ spec }) => spec?.maxReplicas ?? 0),
  column('Replicas', 'string', 'Now', ({ status }) => status?.currentReplicas ?? 0),
  ageColumn,
]

/** The same columns for the first version, whose annotations carry what they show. */
export const autoscalerV1Columns: readonly TableColumn<AutoscalingV1HorizontalPodAutoscaler>[] = autoscalerColumns.map(
  ({ cell, ...column }) => ({
    ...column,
    cell: (autoscaler, now) => cell(autoscalerV1Form.toStored(autoscaler) as AutoscalingV2HorizontalPodAutoscaler, now),
  }),
)

/** A workload seen through its subresource `scale`. */
export const scaleColumns: readonly TableColumn[] = [
  nameColumn,
  column<Scale>('Desired', 'integer', 'Replicas that are wanted', ({ spec }) => spec?.replicas ?? 0),
  column<Scale>('Available', 'integer', 'Replicas that are there', ({ status }) => status?.replicas ?? 0),
  ageColumn,
] as readonly TableColumn[]
