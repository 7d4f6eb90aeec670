import type { DeleteOptions } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import type { ResourceType } from '../../api/resource-type.js'
import { conflict } from '../../api/status.js'
import { timeText } from '../../api/time-text.js'
import { decodeServed, encodeStored, type StoredObject } from './object-codec.js'
import type { DeleteRequest, WritableObject } from './object-writer.js'
import { mostAttempts, type WriteContext } from './write-context.js'

const deletionFinalizers = ['foregroundDeletion', 'orphan']

/** Removes an object, or marks it for removal when finalizers or grace hold it. */
export async function deleteObject(
  { current, commit, remove }: WriteContext,
  { resource, at, options, dryRun, admission }: DeleteRequest,
): Promise<{ readonly stored: StoredObject; readonly removed: boolean }> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const before = await current(resource, at)
    refuseUnlessMet(resource, before.object, options)
    await admission?.validate('DELETE', structuredClone(before.object) as WritableObject, before.object)
    const draft = markedForDeletion(resource, before.object, options)
    if (isFinished(draft)) {
      if (dryRun) return { stored: before, removed: true }
      const removed = await remove(resource, before)
      if (removed) return { stored: removed, removed: true }
      continue
    }
    const { resourceVersion: _, ...meta } = before.object.metadata
    if (dryRun || jsonEqual(draft, { ...before.object, metadata: meta })) return { stored: before, removed: false }
    const value = encodeStored(resource, draft)
    const result = await commit({
      expect: [{ key: before.key, revision: before.revision }],
      changes: [{ type: 'put', key: before.key, value }],
    })
    if (typeof result !== 'number') continue
    return { stored: decodeServed(resource, { key: before.key, value, createRevision: result, modRevision: result }), removed: false }
  }
  throw conflict(resource, at.name)
}

/** True when nothing holds an object any more that is to be deleted. */
export function isFinished({ metadata, spec, kind }: WritableObject): boolean {
  if (!metadata.deletionTimestamp || metadata.finalizers?.length || metadata.deletionGracePeriodSeconds) return false
  const held = kind === 'Namespace' ? (spec as { finalizers?: string[] } | undefined)?.finalizers : undefined
  return !held?.length
}

function refuseUnlessMet(resource: ResourceType, { metadata }: StoredObject['object'], { preconditions }: DeleteOptions): void {
  const name = metadata.name ?? ''
  if (preconditions?.uid && preconditions.uid !== metadata.uid) {
    throw conflict(resource, name, `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${metadata.uid}`)
  }
  if (preconditions?.resourceVersion && preconditions.resourceVersion !== metadata.resourceVersion) {
    const { resourceVersion } = preconditions
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`
    throw conflict(resource, name, why)
  }
}

/** The object with a deletion requested: finalizers by the propagation policy, time of removal by the grace period. */
function markedForDeletion(resource: ResourceType, before: StoredObject['object'], options: DeleteOptions): WritableObject {
  const draft = structuredClone(before) as WritableObject
  const meta = draft.metadata
  delete meta.resourceVersion
  const added = meta.deletionTimestamp === undefined ? (resource.strategy.finalizersOnDelete ?? []) : []
  const finalizers = [...new Set([...finalizersFor(meta.finalizers ?? [], options), ...added])]
  if (finalizers.length > 0) meta.finalizers = finalizers
  else delete meta.finalizers

  const grace = resource.strategy.gracePeriodSeconds(before, options.gracePeriodSeconds)
  const earlier = meta.deletionTimestamp === undefined ? undefined : (meta.deletionGracePeriodSeconds ?? 0)
  // A second request may shorten the grace, never lengthen it.
  if (earlier !== undefined && grace >= earlier) return draft
  const start = earlier === undefined ? Date.now() : Date.parse(meta.deletionTimestamp!) - earlier * 1000
  meta.deletionTimestamp = timeText(start + grace * 1000)
  meta.deletionGracePeriodSeconds = grace
  if (earlier === undefined && meta.generation !== undefined) meta.generation += 1
  if (draft.kind === 'Namespace') draft.status = { ...(draft.status as object | undefined), phase: 'Terminating' }
  return draft
}

function finalizersFor(finalizers: readonly string[], { propagationPolicy, orphanDependents }: DeleteOptions): string[] {
  const policy = propagationPolicy ?? (orphanDependents === undefined ? undefined : orphanDependents ? 'Orphan' : 'Background')
  if (policy === undefined) return [...finalizers]
  const others = finalizers.filter(finalizer => !deletionFinalizers.includes(finalizer))
  if (policy === 'Foreground') return [...others, 'foregroundDeletion']
  return policy === 'Orphan' ? [...others, 'orphan'] : others
}
