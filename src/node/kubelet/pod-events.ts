import type { ObjectReference, Pod } from '../../api/generated/types.js'

/** How events name a Pod, or one of its containers. */
export function podReference(pod: Pod, containerName?: string): ObjectReference {
  const { name, namespace, uid, resourceVersion } = pod.metadata ?? {}
  const isInit = pod.spec?.initContainers?.some(container => container.name === containerName)
  const path = containerName === undefined ? {} : { fieldPath: `spec.${isInit ? 'initContainers' : 'containers'}{${containerName}}` }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...path,
  }
}
