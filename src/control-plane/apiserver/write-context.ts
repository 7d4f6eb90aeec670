import type { ObjectKey } from '../../api/api-resource.js'
import type { Service } from '../../api/generated/types.js'
import type { Draft } from '../../api/json.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { invalidObject, notFound } from '../../api/status.js'
import type { Commit, Store } from '../store/store.js'
import type { ObjectCache } from './object-cache.js'
import { objectStoreKey, type StoredObject } from './object-codec.js'
import type { WritableObject } from './object-writer.js'
import type { ServiceAllocation } from './service-allocation.js'

export interface WriteParts {
  readonly store: Store
  readonly cache: ObjectCache
  readonly allocation: ServiceAllocation
}

/** What every verb that writes needs of the store. */
export interface WriteContext extends WriteParts {
  /** What stands in the cache once it shows everything that was committed before. Throws 404. */
  current(resource: ResourceType, at: ObjectKey): Promise<StoredObject>
  /** The object, and what must be committed with it, for Services: their addresses and ports. Throws 422. */
  withAllocation(resource: ResourceType, object: WritableObject | undefined, previous: KubeObject | undefined, put: Commit): Commit
  /** Commits; what was lost when another writer was faster and the caller must look again. */
  commit(wanted: Commit): Promise<number | { readonly lost: string }>
  /** Removes the object as it was last seen; undefined when another writer was faster. */
  remove(resource: ResourceType, before: StoredObject): Promise<StoredObject | undefined>
}

/** How often a write looks again when others write the same object. */
export const mostAttempts = 100
export const nothingMore: Commit = { expect: [], changes: [] }

export function createWriteContext(parts: WriteParts): WriteContext {
  const { store, cache, allocation } = parts

  async function current(resource: ResourceType, at: ObjectKey): Promise<StoredObject> {
    await cache.current()
    const found = cache.collection(resource).get(objectStoreKey(resource, at))
    if (!found) throw notFound(resource, at.name)
    return found
  }

  function withAllocation(
    resource: ResourceType,
    object: WritableObject | undefined,
    previous: KubeObject | undefined,
    put: Commit,
  ): Commit {
    if (resource.resource !== 'services' || resource.group !== '') return put
    const { commit, problems } = allocation.plan(object as Draft<Service> | undefined, previous as Service | undefined)
    if (problems.length > 0) throw invalidObject(resource, object?.metadata.name ?? '', problems)
    return { expect: [...put.expect, ...commit.expect], changes: [...put.changes, ...commit.changes] }
  }

  async function commit(wanted: Commit): Promise<number | { readonly lost: string }> {
    const result = await store.commit(wanted)
    if (!result.committed) {
      allocation.noteLost(result.key)
      await cache.current()
      return { lost: result.key }
    }
    allocation.noteCommitted(wanted.changes)
    await cache.reached(result.revision)
    return result.revision
  }

  async function remove(resource: ResourceType, before: StoredObject): Promise<StoredObject | undefined> {
    const result = await commit(
      withAllocation(resource, undefined, before.object, {
        expect: [{ key: before.key, revision: before.revision }],
        changes: [{ type: 'delete', key: before.key }],
      }),
    )
    return typeof result === 'number' ? before : undefined
  }

  return { ...parts, current, withAllocation, commit, remove }
}
