import { apiVersionOf } from '../../api/api-resource.js'
import type { ManagedFieldsEntry, ObjectMeta } from '../../api/generated/types.js'
import type { Draft, JsonObject } from '../../api/json.js'
import { type FieldManager, fieldsAfterUpdate, isManagedFields } from '../../api/managed-fields.js'
import { fieldSchemaOf, type KubeObject, type ResourceType } from '../../api/resource-type.js'
import { timeText } from '../../api/time-text.js'
import type { WritableObject } from './object-writer.js'

export const fieldManager = (resource: ResourceType, manager: string, subresource: string | undefined): FieldManager => ({
  manager,
  apiVersion: apiVersionOf(resource),
  subresource,
  time: timeText(Date.now()),
})

export function setManagedFields({ metadata }: WritableObject, entries: readonly ManagedFieldsEntry[]): void {
  if (entries.length === 0) delete metadata.managedFields
  else metadata.managedFields = entries as Draft<ManagedFieldsEntry>[]
}

/** The creator owns all that it and the defaults have set; a first status is the server's. */
export function fieldsAfterCreate(resource: ResourceType, draft: WritableObject, manager: string): readonly ManagedFieldsEntry[] {
  const { status, ...rest } = draft
  const after = (resource.strategy.keepsStatusOnCreate ? { ...rest, status } : rest) as unknown as JsonObject
  const writer = fieldManager(resource, manager, undefined)
  return fieldsAfterUpdate({ before: undefined, after, schema: fieldSchemaOf(resource), entries: [], writer })
}

interface Change {
  readonly wanted: WritableObject
  readonly draft: WritableObject
  readonly before: KubeObject & { readonly metadata: ObjectMeta }
  readonly subresource: string | undefined
  readonly manager: string | undefined
}

/** Who owns what after an update. A writer may hand in other entries, or one that is empty to forget them all. */
export function fieldsAfter(
  resource: ResourceType,
  { wanted, draft, before, subresource, manager }: Change,
): readonly ManagedFieldsEntry[] {
  const { managedFields: old = [] } = before.metadata
  if (manager === undefined) return old
  const { managedFields: given = [] } = wanted.metadata
  const isReset = given.length === 1 && Object.keys(given[0] ?? {}).length === 0
  if (isReset && subresource === undefined) return []
  const entries = subresource === undefined && given.length > 0 && isManagedFields(given) ? given : old
  return fieldsAfterUpdate({
    before: before as unknown as JsonObject,
    after: draft as unknown as JsonObject,
    schema: fieldSchemaOf(resource),
    entries,
    writer: fieldManager(resource, manager, subresource),
  })
}
