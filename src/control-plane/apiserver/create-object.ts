import { randomBytes, randomUUID } from 'node:crypto'

import type { ManagedFieldsEntry } from '../../api/generated/types.js'
import type { ResourceType } from '../../api/resource-type.js'
import { alreadyExists, badRequest, internalError, invalidObject } from '../../api/status.js'
import { timeText } from '../../api/time-text.js'
import { validateMeta } from '../../api/validate-meta.js'
import { asStored, decodeServed, encodeStored, objectStoreKey, type StoredObject } from './object-codec.js'
import { fieldsAfterCreate, setManagedFields } from './object-managers.js'
import type { CreateOptions, WritableObject } from './object-writer.js'
import { mostAttempts, nothingMore, type WriteContext } from './write-context.js'

/** Upstream's alphabet for generated names: no vowels, so no words. */
const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789'
const longestPrefix = 58

interface CreateRequest extends CreateOptions {
  readonly resource: ResourceType
  readonly object: WritableObject
  /** Who owns which field, when an apply has already found out. */
  readonly applied?: readonly ManagedFieldsEntry[]
}

/** Stores a new object. A name that is generated and taken is generated again. */
export async function createObject(
  { store, cache, withAllocation, commit }: WriteContext,
  { resource, object, dryRun, manager, admission, applied }: CreateRequest,
): Promise<StoredObject> {
  const { strategy } = resource
  const meta = object.metadata
  if (meta.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created')
  const { generateName } = meta
  meta.uid = randomUUID()
  meta.creationTimestamp = timeText(Date.now())
  for (const field of [
    'resourceVersion',
    'selfLink',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'managedFields',
    'generation',
  ] as const) {
    delete meta[field]
  }
  if (strategy.hasGeneration) meta.generation = 1
  if (!strategy.keepsStatusOnCreate && resource.subresources.some(({ name }) => name === 'status')) delete object.status
  await cache.current()

  const isNamed = Boolean(meta.name)
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    if (attempt > 0) await cache.current() // What was lost to another writer must be seen.
    const draft = structuredClone(object)
    if (!isNamed && generateName) draft.metadata.name = generatedName(generateName)
    strategy.setDefaults(draft)
    if (admission) {
      await admission.mutate('CREATE', draft, undefined)
      strategy.setDefaults(draft)
    }
    strategy.prepareCreate(draft)
    const problems = [
      ...validateMeta(draft.metadata, {
        namespaced: resource.namespaced,
        checkName: strategy.checkName,
        isCustom: resource.custom !== undefined,
      }),
      ...strategy.validate(draft),
    ]
    if (problems.length > 0) throw invalidObject(resource, draft.metadata.name ?? '', problems)
    const managed = applied ?? (manager === undefined ? undefined : fieldsAfterCreate(resource, draft, manager))
    if (managed) setManagedFields(draft, managed)

    const key = objectStoreKey(resource, { namespace: draft.metadata.namespace, name: draft.metadata.name! })
    if (cache.collection(resource).get(key)) {
      if (!isNamed) continue
      throw alreadyExists(resource, draft.metadata.name!)
    }
    const admitted = (await admission?.validate('CREATE', draft, undefined)) ?? nothingMore
    const extra = withAllocation(resource, draft, undefined, admitted)
    const value = encodeStored(resource, draft)
    if (dryRun) return asStored(resource, key, draft, store.revision)
    const result = await commit({
      expect: [{ key, revision: 0 }, ...extra.expect],
      changes: [{ type: 'put', key, value }, ...extra.changes],
    })
    if (typeof result === 'number') return decodeServed(resource, { key, value, createRevision: result, modRevision: result })
    if (result.lost === key && isNamed) throw alreadyExists(resource, draft.metadata.name!)
  }
  throw internalError(`no free name or address was found for ${resource.resource} in ${mostAttempts} attempts`)
}

function generatedName(prefix: string): string {
  const suffix = [...randomBytes(5)].map(byte => nameAlphabet[byte % nameAlphabet.length]).join('')
  return `${prefix.slice(0, longestPrefix)}${suffix}`
}
