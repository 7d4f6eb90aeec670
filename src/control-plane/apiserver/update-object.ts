import type { ManagedFieldsEntry, ObjectMeta } from '../../api/generated/types.js'
import { type Draft, jsonEqual } from '../../api/json.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { conflict, invalidObject } from '../../api/status.js'
import { validateMeta, validateMetaUpdate } from '../../api/validate-meta.js'
import { isFinished } from './delete-object.js'
import { asStored, decodeServed, encodeStored, type StoredObject } from './object-codec.js'
import { fieldsAfter, setManagedFields } from './object-managers.js'
import type { UpdateRequest, WritableObject } from './object-writer.js'
import { mostAttempts, nothingMore, type WriteContext } from './write-context.js'

/** Changes an object; again from the start when another writer was faster and the request names no version. */
export async function updateObject(
  { current, withAllocation, commit, remove }: WriteContext,
  { resource, at, subresource, dryRun, manager, admission, change }: UpdateRequest,
  /** Who owns which field, when an apply finds that out. */
  applied?: () => readonly ManagedFieldsEntry[],
): Promise<StoredObject> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const before = await current(resource, at)
    const wanted = await change(before.object)
    const asked = wanted.metadata.resourceVersion
    if (asked && asked !== before.object.metadata.resourceVersion) throw conflict(resource, at.name)
    await admission?.mutate('UPDATE', wanted, before.object)
    const draft = settle(resource, wanted, before.object, subresource)
    const managed = applied ? applied() : fieldsAfter(resource, { wanted, draft, before: before.object, subresource, manager })
    setManagedFields(draft, managed)

    const admitted = (await admission?.validate('UPDATE', draft, before.object)) ?? nothingMore
    const extra = subresource === undefined ? withAllocation(resource, draft, before.object, admitted) : admitted
    const { resourceVersion: _, ...meta } = before.object.metadata
    if (jsonEqual(draft, { ...before.object, metadata: meta })) return before
    if (dryRun) return asStored(resource, before.key, draft, before.revision)
    if (isFinished(draft)) {
      const result = await remove(resource, before)
      if (result) return result
      continue
    }
    const value = encodeStored(resource, draft)
    const result = await commit({
      expect: [{ key: before.key, revision: before.revision }, ...extra.expect],
      changes: [{ type: 'put', key: before.key, value }, ...extra.changes],
    })
    if (typeof result === 'number') return decodeServed(resource, { key: before.key, value, createRevision: result, modRevision: result })
    if (asked && result.lost === before.key) throw conflict(resource, at.name)
  }
  throw conflict(resource, at.name)
}

/** The object that an update makes: what the writer may change taken from `wanted`, the rest from `before`. Throws 422. */
function settle(
  resource: ResourceType,
  wanted: WritableObject,
  before: KubeObject & { metadata: ObjectMeta },
  subresource: string | undefined,
): WritableObject {
  const { strategy } = resource
  const old = structuredClone(before) as WritableObject
  const meta = wanted.metadata
  if (meta.uid && meta.uid !== old.metadata.uid) {
    throw conflict(
      resource,
      old.metadata.name ?? '',
      `Precondition failed: UID in precondition: ${meta.uid}, UID in object meta: ${old.metadata.uid}`,
    )
  }
  const hasStatus = resource.subresources.some(({ name }) => name === 'status')
  const isMain = subresource === undefined || subresource === 'scale'
  const fields =
    subresource === 'status' ? { ...old, status: wanted.status } : hasStatus && isMain ? { ...wanted, status: old.status } : wanted
  const draft: WritableObject = structuredClone({ ...fields, metadata: { ...meta } })
  if (draft.status === undefined) delete draft.status
  keepSystemFields(draft.metadata, old.metadata)
  if (isMain) strategy.prepareUpdate(draft, before)
  // One schema describes all of a custom resource, its status too.
  const isWhole = isMain || resource.custom !== undefined
  if (isWhole) strategy.setDefaults(draft)
  if (strategy.hasGeneration) {
    const { metadata: _, status, ...after } = draft
    const { metadata: __, status: oldStatus, ...earlier } = old
    // Where the status is no subresource it is a field like any other.
    const changed = !jsonEqual(after, earlier) || (resource.custom !== undefined && !hasStatus && !jsonEqual(status, oldStatus))
    draft.metadata.generation = (old.metadata.generation ?? 1) + (changed ? 1 : 0)
  }
  const problems = [
    ...validateMeta(draft.metadata, {
      namespaced: resource.namespaced,
      checkName: strategy.checkName,
      isCustom: resource.custom !== undefined,
    }),
    ...validateMetaUpdate(draft.metadata, old.metadata),
    ...(isWhole ? [...strategy.validate(draft), ...strategy.validateUpdate(draft, before)] : []),
  ]
  if (problems.length > 0) throw invalidObject(resource, old.metadata.name ?? '', problems)
  return draft
}

/** Fields of metadata that only the server sets. */
function keepSystemFields(meta: Draft<ObjectMeta>, old: Draft<ObjectMeta>): void {
  delete meta.resourceVersion
  delete meta.managedFields
  meta.uid ??= old.uid!
  for (const field of ['creationTimestamp', 'deletionTimestamp'] as const) {
    if (old[field] === undefined) delete meta[field]
    else meta[field] = old[field]
  }
  for (const field of ['generation', 'deletionGracePeriodSeconds'] as const) {
    if (old[field] === undefined) delete meta[field]
    else meta[field] = old[field]
  }
  if (old.generateName !== undefined) meta.generateName ??= old.generateName
  if (old.selfLink === undefined) delete meta.selfLink
}
