import type { ApiResource } from '../../api/api-resource.js'
import { apiPathOf } from '../../api/api-resource.js'
import { namespaces as namespaceResource } from '../../api/generated/resources.js'
import type { Namespace } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { ApiObject } from '../../client/client.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import type { Collections } from './collections.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

interface Parts extends ControllerParts {
  readonly namespaces: Informer<Namespace>
  readonly collections: Collections
  /** Namespaced resources that no informer follows. */
  readonly otherResources: readonly ApiResource<ApiObject>[]
}

/** Content that no informer follows is looked at again after so long. */
const lookAgainMs = 2_000

/** Empties namespaces that are being deleted, then lets them go. */
export function namespaceController(parts: Parts): Controller {
  const { client, namespaces, collections, otherResources } = parts

  async function deleteContent(resource: ApiResource<ApiObject>, namespace: string, signal: AbortSignal): Promise<number> {
    const { items } = await client.list(resource, { namespace }, signal)
    await Promise.all(
      items.map(async ({ metadata: { name = '', uid = '', deletionTimestamp } = {} }) => {
        if (deletionTimestamp !== undefined) return
        try {
          await client.delete(resource, { namespace, name }, { uid, propagationPolicy: 'Background' }, signal)
        } catch (error) {
          if (!isPodwireError(error, 'NOT_FOUND')) throw error
        }
      }),
    )
    if (items.length === 0) return 0
    return (await client.list(resource, { namespace, limit: 1 }, signal)).items.length
  }

  return keyedController({
    name: 'namespace',
    parts,
    reads: [namespaces],
    watch(queue) {
      onObjectChange(namespaces, (_before, after) => after && queue.add(keyOfObject(after)))
      collections.onFollow(({ resource, informer }) => {
        if (!resource.namespaced) return
        onObjectChange(informer, (before, after) => {
          const namespace = before?.metadata?.namespace
          if (!after && namespace !== undefined && namespaces.get(namespace)?.metadata?.deletionTimestamp !== undefined)
            queue.add(namespace)
        })
      })
    },
    async reconcile(name, queue, signal) {
      const namespace = namespaces.get(name)
      if (namespace?.metadata?.deletionTimestamp === undefined || !namespace.spec?.finalizers?.includes('kubernetes')) return
      const followed = collections.all().flatMap(({ resource }) => (resource.namespaced ? resource : []))
      const left = await Promise.all([...followed, ...otherResources].map(resource => deleteContent(resource, name, signal)))
      if (left.some(count => count > 0)) {
        queue.addAfter(name, lookAgainMs)
        return
      }
      const finalizers = namespace.spec.finalizers.filter(finalizer => finalizer !== 'kubernetes')
      const body = { ...namespace, apiVersion: 'v1', kind: 'Namespace', spec: { ...namespace.spec, finalizers } }
      try {
        await client.raw('PUT', `${apiPathOf(namespaceResource, { name })}/finalize`, body, signal)
      } catch (error) {
        if (!isPodwireError(error, 'NOT_FOUND')) throw error
      }
    },
  })
}
