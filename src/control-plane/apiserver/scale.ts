import { invalid } from '../../api/field-problem.js'
import type { ObjectMeta, Scale } from '../../api/generated/types.js'
import { isJsonObject, type JsonObject } from '../../api/json.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { formatLabelSelector, requirementsOf } from '../../api/selector.js'
import { badRequest, invalidObject } from '../../api/status.js'
import type { WritableObject } from './object-writer.js'

/** The view of a workload as autoscaling/v1 Scale. */
export function scaleOf(object: KubeObject): Scale & { readonly metadata: ObjectMeta } {
  const { metadata = {}, ...rest } = object
  const { spec = {}, status = {} } = rest as { readonly spec?: JsonObject; readonly status?: JsonObject }
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata
  const selector = isJsonObject(spec.selector) ? formatLabelSelector(requirementsOf(spec.selector)) : ''
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
    spec: { ...(typeof spec.replicas === 'number' && { replicas: spec.replicas }) },
    status: { replicas: typeof status.replicas === 'number' ? status.replicas : 0, ...(selector !== '' && { selector }) },
  }
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
  object.spec = { ...(object.spec as JsonObject), replicas }
  if (typeof metadata.resourceVersion === 'string') object.metadata.resourceVersion = metadata.resourceVersion
  else delete object.metadata.resourceVersion
  return object
}
