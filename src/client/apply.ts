import { isPodwireError, PodwireError } from '../base/errors/podwire-error.js'
import type { ApiObject, Client } from './client.js'
import type { ManifestObject } from './manifests.js'

export interface AppliedObject extends ManifestObject {
  /** The object as the server has it now. */
  readonly stored: ApiObject
  readonly outcome: 'created' | 'configured'
}

/**
 * Makes the server have these objects, in order: created, or else merged into the ones there (RFC 7386, so their lists become exactly
 * the manifest's). Errors: the client's, with the object's place in front.
 */
export async function applyObjects(
  client: Client,
  objects: readonly ManifestObject[],
  signal: AbortSignal,
): Promise<readonly AppliedObject[]> {
  const applied: AppliedObject[] = []
  for (const entry of objects) {
    try {
      applied.push(await applyOne(client, entry, signal))
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

async function applyOne(client: Client, entry: ManifestObject, signal: AbortSignal): Promise<AppliedObject> {
  const { resource, object } = entry
  try {
    return { ...entry, stored: await client.create(resource, object, signal), outcome: 'created' }
  } catch (error) {
    if (!isPodwireError(error, 'ALREADY_EXISTS')) throw error
  }
  const stored = await client.patch(resource, keyOf(entry), object, { type: 'merge' }, signal)
  return { ...entry, stored, outcome: 'configured' }
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
