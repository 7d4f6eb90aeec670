import { type FieldProblem, invalid, required } from '../field-problem.js'
import { countOrPercent, namedBy, oneOf } from '../field-rules.js'
import { autoscalingV2HorizontalPodAutoscalers } from '../generated/resources.js'
import type {
  AutoscalingV1HorizontalPodAutoscaler,
  AutoscalingV2CrossVersionObjectReference,
  AutoscalingV2HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricSpec,
  MetricStatus,
  ObjectMeta,
  PodDisruptionBudget,
} from '../generated/types.js'
import type { Draft } from '../json.js'
import type { KubeObject, StoredForm, Strategy } from '../resource-type.js'
import { validateLabelSelector } from '../validate-meta.js'
import { carriesMetrics, splitBeyond, withBeyond } from './autoscaler-annotations.js'
import { plainStrategy } from './plain-strategy.js'

/** Upstream's aim where none is given. */
const defaultCpuPercent = 80

const cpuMetric = (averageUtilization: number): Draft<MetricSpec> => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
})

function setScalingDefaults(rules: Draft<HPAScalingRules>, direction: 'up' | 'down'): void {
  rules.selectPolicy ??= 'Max'
  if (direction === 'up') rules.stabilizationWindowSeconds ??= 0
  rules.policies ??=
    direction === 'up'
      ? [
          { type: 'Pods', value: 4, periodSeconds: 15 },
          { type: 'Percent', value: 100, periodSeconds: 15 },
        ]
      : [{ type: 'Percent', value: 100, periodSeconds: 15 }]
}

export const autoscalerStrategy: Strategy<AutoscalingV2HorizontalPodAutoscaler> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ spec }) {
    if (!spec) return
    spec.minReplicas ??= 1
    if (!spec.metrics?.length) spec.metrics = [cpuMetric(defaultCpuPercent)]
    if (!spec.behavior) return
    spec.behavior.scaleUp ??= {}
    spec.behavior.scaleDown ??= {}
    setScalingDefaults(spec.behavior.scaleUp, 'up')
    setScalingDefaults(spec.behavior.scaleDown, 'down')
  },
  prepareCreate(autoscaler) {
    autoscaler.status = { desiredReplicas: 0, currentMetrics: [] } as unknown as NonNullable<typeof autoscaler.status>
  },
  validate({ spec }) {
    if (!spec) return [required('spec')]
    return [
      ...validateReplicas(spec),
      ...validateTarget(spec.scaleTargetRef),
      ...(spec.metrics ?? []).flatMap((metric, i) => [
        ...(metric.type
          ? oneOf(metric.type, ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'], `spec.metrics[${i}].type`)
          : [required(`spec.metrics[${i}].type`, 'must specify a metric source type')]),
      ]),
    ]
  },
}

interface Replicas {
  readonly minReplicas?: number
  readonly maxReplicas: number
}

function validateReplicas({ minReplicas, maxReplicas = 0 }: Replicas): FieldProblem[] {
  const problems: FieldProblem[] = []
  if (minReplicas !== undefined && minReplicas < 1) {
    problems.push(invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'))
  }
  if (maxReplicas < 1) problems.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'))
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    problems.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  }
  return problems
}

const checkSegment = (text: string): string[] =>
  text === '.' || text === '..'
    ? [`may not be '${text}'`]
    : [...(text.includes('/') ? ["may not contain '/'"] : []), ...(text.includes('%') ? ["may not contain '%'"] : [])]

const validateTarget = (target: AutoscalingV2CrossVersionObjectReference | undefined): FieldProblem[] => [
  ...namedBy(target?.kind, checkSegment, 'spec.scaleTargetRef.kind'),
  ...namedBy(target?.name, checkSegment, 'spec.scaleTargetRef.name'),
]

export const autoscalerV1Strategy: Strategy<AutoscalingV1HorizontalPodAutoscaler> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults({ metadata, spec }) {
    if (!spec) return
    spec.minReplicas ??= 1
    if (!carriesMetrics(metadata?.annotations)) spec.targetCPUUtilizationPercentage ??= defaultCpuPercent
  },
  prepareCreate(autoscaler) {
    autoscaler.status = { currentReplicas: 0, desiredReplicas: 0 }
  },
  validate({ spec }) {
    if (!spec) return [required('spec')]
    return [...validateReplicas(spec), ...validateTarget(spec.scaleTargetRef)]
  },
}

const isCpu = ({ type, resource }: MetricSpec): boolean =>
  type === 'Resource' && resource?.name === 'cpu' && resource.target.averageUtilization !== undefined
const isCurrentCpu = ({ type, resource }: MetricStatus): boolean =>
  type === 'Resource' && resource?.name === 'cpu' && resource.current.averageUtilization !== undefined

/** The first version knows one metric, how busy the CPUs are; all else it carries in annotations. */
export const autoscalerV1Form: StoredForm<AutoscalingV1HorizontalPodAutoscaler> = {
  resource: autoscalingV2HorizontalPodAutoscalers,
  toStored({ spec, status, metadata, ...rest }) {
    const { targetCPUUtilizationPercentage: wanted, ...others } = spec ?? { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } }
    const { currentCPUUtilizationPercentage: is, ...statusRest } = status ?? { currentReplicas: 0, desiredReplicas: 0 }
    const { beyond, rest: annotations } = splitBeyond(metadata?.annotations)
    const current = is === undefined ? [] : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: is } } }]
    const { behavior, conditions } = beyond
    return {
      ...rest,
      metadata: withAnnotations(metadata, annotations),
      spec: {
        ...others,
        metrics: [...(wanted === undefined ? [] : [cpuMetric(wanted)]), ...beyond.metrics],
        ...(behavior && { behavior }),
      },
      ...(status && {
        status: { ...statusRest, currentMetrics: [...current, ...beyond.currentMetrics], ...(conditions.length > 0 && { conditions }) },
      }),
    } as KubeObject
  },
  fromStored(object) {
    const { spec, status, metadata, ...rest } = object as AutoscalingV2HorizontalPodAutoscaler
    const { metrics = [], behavior, ...others } = spec ?? { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } }
    const cpu = metrics.find(isCpu)
    const { currentMetrics = [], conditions = [], ...statusRest } = status ?? { desiredReplicas: 0 }
    const currentCpu = currentMetrics.find(isCurrentCpu)
    const annotations = withBeyond(metadata?.annotations, {
      metrics: metrics.filter(metric => metric !== cpu),
      currentMetrics: currentMetrics.filter(metric => metric !== currentCpu),
      conditions,
      behavior,
    })
    const wanted = cpu?.resource?.target.averageUtilization
    const is = currentCpu?.resource?.current.averageUtilization
    return {
      ...rest,
      metadata: withAnnotations(metadata, annotations),
      spec: { ...others, ...(wanted !== undefined && { targetCPUUtilizationPercentage: wanted }) },
      status: { currentReplicas: 0, ...statusRest, ...(is !== undefined && { currentCPUUtilizationPercentage: is }) },
    }
  },
}

function withAnnotations(metadata: ObjectMeta = {}, annotations: Readonly<Record<string, string>> | undefined): ObjectMeta {
  const { annotations: _, ...rest } = metadata
  return { ...rest, ...(annotations && { annotations }) }
}

export const podDisruptionBudgetStrategy: Strategy<PodDisruptionBudget> = {
  ...plainStrategy,
  hasGeneration: true,
  prepareCreate(budget) {
    budget.status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 }
  },
  validate({ spec }) {
    const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec ?? {}
    return [
      ...(minAvailable !== undefined && maxUnavailable !== undefined
        ? [invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set')]
        : []),
      ...countOrPercent(minAvailable, 'spec.minAvailable'),
      ...countOrPercent(maxUnavailable, 'spec.maxUnavailable'),
      ...(selector ? validateLabelSelector(selector, 'spec.selector') : []),
      ...oneOf(unhealthyPodEvictionPolicy, ['AlwaysAllow', 'IfHealthyBudget'], 'spec.unhealthyPodEvictionPolicy'),
    ]
  },
}
