import type { ManagedFieldsEntry } from '../../api/generated/types.js'
import type { JsonObject } from '../../api/json.js'
import { applyConfiguration } from '../../api/managed-fields.js'
import { fieldSchemaOf, type KubeObject } from '../../api/resource-type.js'
import { applyConflict } from '../../api/status.js'
import { createObject } from './create-object.js'
import { objectStoreKey, type StoredObject } from './object-codec.js'
import { fieldManager } from './object-managers.js'
import type { ApplyRequest, WritableObject } from './object-writer.js'
import { updateObject } from './update-object.js'
import type { WriteContext } from './write-context.js'

/** Server-side apply; creates the object when it is not there. Throws 409 for conflicts with other managers. */
export async function applyObject(
  context: WriteContext,
  { resource, at, subresource, dryRun, admission, manager, force, config }: ApplyRequest,
): Promise<{ readonly stored: StoredObject; readonly created: boolean }> {
  const { cache } = context
  const writer = fieldManager(resource, manager, subresource)
  const ignored = subresource === 'status' ? ['spec'] : resource.subresources.some(({ name }) => name === 'status') ? ['status'] : []
  const application = { config, schema: fieldSchemaOf(resource), writer, force, ignored }
  await cache.current()
  if (subresource === undefined && !cache.collection(resource).get(objectStoreKey(resource, at))) {
    const { object, entries } = applyConfiguration({ ...application, live: undefined, entries: [] })
    return {
      stored: await createObject(context, { resource, object: object as unknown as WritableObject, dryRun, admission, applied: entries }),
      created: true,
    }
  }
  let entries: readonly ManagedFieldsEntry[] = []
  const change = (current: KubeObject): WritableObject => {
    const { managedFields = [], resourceVersion: _, ...metadata } = current.metadata ?? {}
    const live = structuredClone({ ...current, metadata }) as unknown as JsonObject
    const result = applyConfiguration({ ...application, live, entries: managedFields })
    if (result.conflicts.length > 0) throw applyConflict(result.conflicts)
    entries = result.entries
    return result.object as unknown as WritableObject
  }
  return { stored: await updateObject(context, { resource, at, subresource, dryRun, admission, change }, () => entries), created: false }
}
