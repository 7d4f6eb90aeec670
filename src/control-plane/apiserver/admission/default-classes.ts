import type { ApiResource } from '../../../api/api-resource.js'
import { ingressclasses, storageclasses } from '../../../api/generated/resources.js'
import type { Ingress, PersistentVolumeClaim } from '../../../api/generated/types.js'
import type { Draft } from '../../../api/json.js'
import type { KubeObject } from '../../../api/resource-type.js'
import type { PolicyObjects } from '../authorization/policy-objects.js'
import { type AdmissionPlugin, isAbout } from './admission-plugin.js'

type Objects = Pick<PolicyObjects, 'list'>

/** A claim that names no class gets the default one; an empty name asks for none. */
export const defaultStorageClassPlugin = (objects: Objects): AdmissionPlugin => ({
  name: 'DefaultStorageClass',
  mutate(request) {
    const { spec, metadata } = request.object as Draft<PersistentVolumeClaim>
    if (request.operation !== 'CREATE' || !isAbout(request, '', 'persistentvolumeclaims') || !spec) return
    if (spec.storageClassName !== undefined || metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'] !== undefined) return
    const name = defaultOf(objects, storageclasses, [
      'storageclass.kubernetes.io/is-default-class',
      'storageclass.beta.kubernetes.io/is-default-class',
    ])
    if (name !== undefined) spec.storageClassName = name
  },
})

/** An Ingress that names no class gets the default one. */
export const defaultIngressClassPlugin = (objects: Objects): AdmissionPlugin => ({
  name: 'DefaultIngressClass',
  mutate(request) {
    const { spec, metadata } = request.object as Draft<Ingress>
    if (request.operation !== 'CREATE' || !isAbout(request, 'networking.k8s.io', 'ingresses') || !spec) return
    if (spec.ingressClassName !== undefined || metadata?.annotations?.['kubernetes.io/ingress.class'] !== undefined) return
    const name = defaultOf(objects, ingressclasses, ['ingressclass.kubernetes.io/is-default-class'])
    if (name !== undefined) spec.ingressClassName = name
  },
})

/** The newest class that says it is the default one; of the same age the first by name, as upstream. */
function defaultOf(objects: Objects, resource: ApiResource<KubeObject>, annotations: readonly string[]): string | undefined {
  const ageOf = ({ metadata }: KubeObject): string => metadata?.creationTimestamp ?? ''
  const nameOf = ({ metadata }: KubeObject): string => metadata?.name ?? ''
  const found = objects
    .list(resource)
    .filter(({ metadata }) => annotations.some(annotation => metadata?.annotations?.[annotation] === 'true'))
    .toSorted((a, b) => ageOf(b).localeCompare(ageOf(a)) || nameOf(a).localeCompare(nameOf(b)))
  return found[0] && nameOf(found[0])
}
