import type { ApiResource, ObjectKey } from '../../../api/api-resource.js'
import type { KubeObject, ResourceType } from '../../../api/resource-type.js'
import type { Commit } from '../../store/store.js'
import type { ObjectCache } from '../object-cache.js'
import { collectionPrefix, encodeStored, objectStoreKey } from '../object-codec.js'

/** The objects by which requests are judged: the newest that this server has seen. */
export interface PolicyObjects {
  get<T extends KubeObject>(resource: ApiResource<T>, at: ObjectKey): T | undefined
  /** What the handlers must know of a resource. */
  rowOf(resource: ApiResource): ResourceType
  /** All of them, or those of one namespace. */
  list<T extends KubeObject>(resource: ApiResource<T>, namespace?: string): readonly T[]
  /** The object as soon as it is there; undefined when `ms` milliseconds have not brought it. */
  awaited<T extends KubeObject>(resource: ApiResource<T>, at: ObjectKey, ms: number): Promise<T | undefined>
  /** What must be committed to put `object` in the place of the one that it was made from. */
  replacing<T extends KubeObject>(resource: ApiResource<T>, object: T): Commit
  /** Calls `listener` with what was there before and after each change of these resources, for as long as the server lives. */
  onChange<T extends KubeObject>(
    resources: readonly ApiResource<T>[],
    listener: (before: T | undefined, after: T | undefined) => void,
  ): void
}

/** What `cache` holds. `findRow` finds the row of a resource. */
export function policyObjects(cache: ObjectCache, findRow: (resource: ApiResource) => ResourceType): PolicyObjects {
  const rows = new Map<ApiResource, ResourceType>()
  const rowOf = (resource: ApiResource): ResourceType => {
    const row = rows.get(resource) ?? findRow(resource)
    rows.set(resource, row)
    return row
  }
  const get = <T extends KubeObject>(resource: ApiResource<T>, at: ObjectKey): T | undefined => {
    const row = rowOf(resource)
    return cache.collection(row).get(objectStoreKey(row, at))?.object as T | undefined
  }
  return {
    get,
    rowOf,
    replacing<T extends KubeObject>(resource: ApiResource<T>, object: T): Commit {
      const row = rowOf(resource)
      const { name = '', namespace, resourceVersion = '' } = object.metadata ?? {}
      const key = objectStoreKey(row, { namespace, name })
      return { expect: [{ key, revision: Number(resourceVersion) }], changes: [{ type: 'put', key, value: encodeStored(row, object) }] }
    },
    awaited<T extends KubeObject>(resource: ApiResource<T>, at: ObjectKey, ms: number): Promise<T | undefined> {
      const present = get(resource, at)
      if (present || ms <= 0) return Promise.resolve(present)
      return new Promise(resolve => {
        const row = rowOf(resource)
        const key = objectStoreKey(row, at)
        const settle = (): void => {
          clearTimeout(timer)
          stop()
          resolve(get(resource, at))
        }
        const stop = cache.collection(row).subscribe(cache.revision, ({ current }) => {
          if (current?.key === key) settle()
        })
        const timer = setTimeout(settle, ms)
      })
    },
    list<T extends KubeObject>(resource: ApiResource<T>, namespace?: string): readonly T[] {
      const row = rowOf(resource)
      return cache
        .collection(row)
        .list(collectionPrefix(row, namespace))
        .map(({ object }) => object as unknown as T)
    },
    onChange<T extends KubeObject>(
      resources: readonly ApiResource<T>[],
      listener: (before: T | undefined, after: T | undefined) => void,
    ): void {
      for (const resource of resources) {
        cache.collection(rowOf(resource)).subscribe(cache.revision, ({ previous, current }) => {
          listener(previous?.object as unknown as T | undefined, current?.object as unknown as T | undefined)
        })
      }
    },
  }
}
