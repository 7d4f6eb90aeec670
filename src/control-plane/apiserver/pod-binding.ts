import { required } from '../../api/field-problem.js'
import type { Binding, Pod } from '../../api/generated/types.js'
import type { Draft } from '../../api/json.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { conflict, invalidObject } from '../../api/status.js'
import { timeText } from '../../api/time-text.js'
import type { WritableObject } from './object-writer.js'

/** The Pod bound to the node that `binding` names, with its condition PodScheduled. Throws 409 for a Pod that is bound or going. */
export function boundPod(resource: ResourceType, current: KubeObject, binding: Binding): WritableObject {
  const pod = structuredClone(current) as Draft<Pod>
  const name = pod.metadata?.name ?? ''
  const node = binding.target?.name
  if (!node) throw invalidObject({ ...resource, kind: 'Binding' }, name, [required('target.name')])
  if (pod.metadata?.deletionTimestamp) throw conflict(resource, name, `pod ${name} is being deleted, cannot be assigned to a host`)
  if (pod.spec?.nodeName) throw conflict(resource, name, `pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`)
  if (binding.metadata?.uid && binding.metadata.uid !== pod.metadata?.uid) {
    throw conflict(
      resource,
      name,
      `Precondition failed: UID in precondition: ${binding.metadata.uid}, UID in object meta: ${pod.metadata?.uid}`,
    )
  }
  if (pod.spec) pod.spec.nodeName = node
  if (pod.metadata && binding.metadata?.annotations)
    pod.metadata.annotations = { ...pod.metadata.annotations, ...binding.metadata.annotations }
  const others = pod.status?.conditions?.filter(({ type }) => type !== 'PodScheduled') ?? []
  pod.status = {
    ...pod.status,
    conditions: [...others, { type: 'PodScheduled', status: 'True', lastTransitionTime: timeText(Date.now()) }],
  }
  return pod as WritableObject
}
