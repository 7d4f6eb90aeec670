import type { HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerCondition, MetricSpec, MetricStatus } from '../generated/types.js'
import { isJsonObject, type JsonObject, type JsonValue } from '../json.js'

/** What autoscaling/v2 knows and autoscaling/v1 has no fields for. */
export interface BeyondFirstVersion {
  readonly metrics: readonly MetricSpec[]
  readonly currentMetrics: readonly MetricStatus[]
  readonly conditions: readonly HorizontalPodAutoscalerCondition[]
  readonly behavior: HorizontalPodAutoscalerBehavior | undefined
}

type Annotations = Readonly<Record<string, string>>

/** Where autoscaling/v1 carries it, as JSON. Source: Kubernetes, pkg/apis/autoscaling/annotations.go. */
const keys = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
}

export const carriesMetrics = (annotations: Annotations = {}): boolean => keys.metrics in annotations

/** The annotations with what the first version cannot say. */
export function withBeyond(annotations: Annotations | undefined, beyond: BeyondFirstVersion): Annotations | undefined {
  const { metrics, currentMetrics, conditions, behavior } = beyond
  const all = {
    ...annotations,
    ...(metrics.length > 0 && { [keys.metrics]: JSON.stringify(metrics.map(metric => toFirst(metric, 'target'))) }),
    ...(currentMetrics.length > 0 && { [keys.currentMetrics]: JSON.stringify(currentMetrics.map(metric => toFirst(metric, 'current'))) }),
    ...(conditions.length > 0 && { [keys.conditions]: JSON.stringify(conditions) }),
    ...(behavior && { [keys.behavior]: JSON.stringify(behavior) }),
  }
  return Object.keys(all).length > 0 ? all : undefined
}

/** What the annotations say, and those that are about something else. What cannot be read is left out. */
export function splitBeyond(annotations: Annotations = {}): {
  readonly beyond: BeyondFirstVersion
  readonly rest: Annotations | undefined
} {
  const rest = Object.entries(annotations).filter(([key]) => !Object.values(keys).includes(key))
  const behavior = parsed(annotations[keys.behavior])
  return {
    beyond: {
      metrics: listOf(annotations[keys.metrics]).map(metric => fromFirst(metric, 'target') as unknown as MetricSpec),
      currentMetrics: listOf(annotations[keys.currentMetrics]).map(metric => fromFirst(metric, 'current') as unknown as MetricStatus),
      conditions: listOf(annotations[keys.conditions]) as unknown as HorizontalPodAutoscalerCondition[],
      behavior: isJsonObject(behavior) ? (behavior as HorizontalPodAutoscalerBehavior) : undefined,
    },
    rest: rest.length > 0 ? Object.fromEntries(rest) : undefined,
  }
}

function parsed(text: string | undefined): JsonValue | undefined {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

function listOf(text: string | undefined): JsonObject[] {
  const value = parsed(text)
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}

/** `target` in a spec, `current` in a status. */
type Side = 'target' | 'current'

/** How the first version calls the parts of each kind of metric: its own name, then the path in the second version. */
const namesOf = (side: Side): Readonly<Record<string, readonly (readonly [string, readonly string[]])[]>> => {
  const capital = (name: string) => `${side}${name[0]!.toUpperCase()}${name.slice(1)}`
  const values = (...names: readonly string[]) => names.map(name => [capital(name), [side, name]] as const)
  return {
    resource: [['name', ['name']], ...values('averageUtilization', 'averageValue')],
    containerResource: [['name', ['name']], ['container', ['container']], ...values('averageUtilization', 'averageValue')],
    pods: [['metricName', ['metric', 'name']], ['selector', ['metric', 'selector']], ...values('averageValue')],
    object: [
      ['target', ['describedObject']],
      ['metricName', ['metric', 'name']],
      ['selector', ['metric', 'selector']],
      ['averageValue', [side, 'averageValue']],
      ...values('value'),
    ],
    external: [['metricName', ['metric', 'name']], ['metricSelector', ['metric', 'selector']], ...values('value', 'averageValue')],
  }
}
const names = { target: namesOf('target'), current: namesOf('current') }

function toFirst(metric: MetricSpec | MetricStatus, side: Side): JsonObject {
  const result: Record<string, JsonValue> = { type: metric.type }
  for (const [kind, parts] of Object.entries(names[side])) {
    const source = (metric as unknown as JsonObject)[kind]
    if (!isJsonObject(source)) continue
    const found = parts.flatMap(([name, path]) => {
      const value = path.reduce<JsonValue | undefined>((from, step) => (isJsonObject(from) ? from[step] : undefined), source)
      return value === undefined ? [] : [[name, value] as const]
    })
    result[kind] = Object.fromEntries(found)
  }
  return result
}

function fromFirst(metric: JsonObject, side: Side): JsonObject {
  const result: Record<string, JsonValue> = { type: metric.type ?? '' }
  for (const [kind, parts] of Object.entries(names[side])) {
    const source = metric[kind]
    if (!isJsonObject(source)) continue
    const made: Record<string, JsonValue> = { [side]: {} }
    for (const [name, [first, second]] of parts) {
      const value = source[name]
      if (value === undefined || first === undefined) continue
      made[first] = second === undefined ? value : { ...(made[first] as JsonObject | undefined), [second]: value }
    }
    if (side === 'target') made.target = { type: targetType(made.target as JsonObject), ...(made.target as JsonObject) }
    result[kind] = made
  }
  return result
}

const targetType = (target: JsonObject): string =>
  target.averageUtilization !== undefined ? 'Utilization' : target.averageValue !== undefined ? 'AverageValue' : 'Value'
