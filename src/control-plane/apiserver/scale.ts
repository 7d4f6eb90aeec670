import { invalid } from '../../api/field-problem.js'
import type { ObjectMeta, Scale } from '../../api/generated/types.js'
import { isJsonObject, type JsonObject, type JsonValue } from '../../api/json.js'
import type { KubeObject, ResourceType, ScalePaths } from '../../api/resource-type.js'
import { formatLabelSelector, requirementsOf } from '../../api/selector.js'
import { badRequest, invalidObject } from '../../api/status.js'
import type { WritableObject } from './object-writer.js'

/** The view of a workload as autoscaling/v1 Scale. */
export function scaleOf(object: KubeObject, paths = builtInPaths): Scale & { readonly metadata: ObjectMeta } {
  const { metadata = {}, ...rest } = object
  const json = rest as unknown as JsonObject
  const replicas = valueAt(json, paths.specReplicas)
  const current = valueAt(json, paths.statusReplicas)
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata
  const selector = paths.labelSelector ? valueAt(json, paths.labelSelector) : selectorText(json.spec)
  const meta = {
    name: name ?? '',
    namespace: namespace ?? '',
    uid: uid ?? '',
    resourceVersion: resourceVersion ?? '',
    creationTimestamp: creationTimestamp ?? '',
  }
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: meta,
    spec: { ...(typeof replicas === 'number' && { replicas }) },
    status: { replicas: typeof current === 'number' ? current : 0, ...(typeof selector === 'string' && selector !== '' && { selector }) },
  }
}

const builtInPaths: ScalePaths = { specReplicas: ['spec', 'replicas'], statusReplicas: ['status', 'replicas'], labelSelector: undefined }

function valueAt(object: JsonObject, path: readonly string[]): JsonValue | undefined {
  return path.reduce<JsonValue | undefined>((value, name) => (isJsonObject(value) ? value[name] : undefined), object)
}

function setAt(object: JsonObject, path: readonly string[], value: JsonValue): void {
  const [name = '', ...rest] = path
  if (rest.length === 0) {
    object[name] = value
    return
  }
  const below = isJsonObject(object[name]) ? object[name] : {}
  object[name] = below
  setAt(below, rest, value)
}

/** The selector of a workload; that of a ReplicationController is only labels. */
function selectorText(spec: JsonValue | undefined): string {
  const selector = isJsonObject(spec) ? spec.selector : undefined
  if (!isJsonObject(selector)) return ''
  const isStructured = Object.values(selector).some(value => typeof value === 'object')
  return formatLabelSelector(requirementsOf(isStructured ? selector : { matchLabels: selector }))
}

/** The workload with the replicas of `scale`. Throws 422 for a count that cannot be. */
export function withScale(resource: ResourceType, current: KubeObject, scale: JsonObject): WritableObject {
  const spec = isJsonObject(scale.spec) ? scale.spec : {}
  const metadata = isJsonObject(scale.metadata) ? scale.metadata : {}
  const replicas = spec.replicas ?? 0
  if (typeof replicas !== 'number') throw badRequest('spec.replicas of a Scale must be a number')
  if (replicas < 0) {
    const problems = [invalid('spec.replicas', replicas, 'must be greater than or equal to 0')]
    throw invalidObject({ ...resource, group: 'autoscaling', kind: 'Scale' }, current.metadata?.name ?? '', problems)
  }
  const object = structuredClone(current) as WritableObject
  setAt(object as unknown as JsonObject, resource.custom?.scale?.specReplicas ?? builtInPaths.specReplicas, replicas)
  if (typeof metadata.resourceVersion === 'string') object.metadata.resourceVersion = metadata.resourceVersion
  else delete object.metadata.resourceVersion
  return object
}
