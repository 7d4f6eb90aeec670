import { isPodwireError, PodwireError } from '../base/errors/podwire-error.js'
import type { ApiObject, Client } from './client.js'
import type { ManifestObject } from './manifests.js'

const fieldManager = 'podwire'

/**
 * Applies objects in their order (server-side apply, of what is written here and nothing else): what others wrote into other fields stays.
 * Errors: the server's own, with the place of the object in its file.
 */
export async function applyObjects(client: Client, objects: readonly ManifestObject[], signal: AbortSignal): Promise<readonly ApiObject[]> {
  const applied: ApiObject[] = []
  for (const entry of objects) {
    try {
      applied.push(await client.patch(entry.resource, keyOf(entry), entry.object, { type: 'apply', fieldManager, force: true }, signal))
    } catch (error) {
      if (!(error instanceof PodwireError)) throw error
      throw new PodwireError(error.code, `${entry.place}: ${error.message}`, {
        cause: error.cause,
        ...(error.hint && { hint: error.hint }),
      })
    }
  }
  return applied
}

/** Asks the server to delete these objects, last first; those that are gone already count as done. */
export async function deleteObjects(client: Client, objects: readonly ManifestObject[], signal: AbortSignal): Promise<void> {
  for (const entry of [...objects].reverse()) {
    try {
      await client.delete(entry.resource, keyOf(entry), { propagationPolicy: 'Background' }, signal)
    } catch (error) {
      if (!isPodwireError(error, 'NOT_FOUND')) throw error
    }
  }
}

const keyOf = ({ resource, object }: ManifestObject) => ({
  namespace: resource.namespaced ? (object.metadata?.namespace ?? 'default') : undefined,
  name: object.metadata?.name ?? '',
})
