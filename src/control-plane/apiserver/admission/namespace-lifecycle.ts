import { namespaces } from '../../../api/generated/resources.js'
import { forbiddenRequest, notFound, refusal } from '../../../api/status.js'
import type { PolicyObjects } from '../authorization/policy-objects.js'
import { type AdmissionPlugin, type AdmissionRequest, isAbout, refused } from './admission-plugin.js'

const keptNamespaces = new Set(['default', 'kube-public', 'kube-system'])

/** Nothing new in a namespace that is not there or is being emptied, and the first namespaces stay. */
export function namespaceLifecyclePlugin(objects: Pick<PolicyObjects, 'get'>): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    mutate(request) {
      if (request.operation === 'CREATE' && request.resource.namespaced) refuseUnlessActive(objects, request)
    },
    validate(request) {
      const isNamespace = isAbout(request, '', 'namespaces')
      if (request.operation === 'DELETE' && isNamespace && keptNamespaces.has(request.object.metadata.name ?? '')) {
        throw refused(request, 'this namespace may not be deleted')
      }
      return undefined
    },
  }
}

function refuseUnlessActive(objects: Pick<PolicyObjects, 'get'>, { resource, object }: AdmissionRequest): void {
  const { namespace = '', name = '' } = object.metadata
  const found = objects.get(namespaces, { name: namespace })
  if (!found) throw notFound(namespaces, namespace)
  if (!found.metadata?.deletionTimestamp) return
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  throw refusal({
    http: 403,
    reason: 'Forbidden',
    message: forbiddenRequest(resource, name, why).message,
    details: {
      name,
      kind: resource.resource,
      causes: [{ reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }],
    },
  })
}
