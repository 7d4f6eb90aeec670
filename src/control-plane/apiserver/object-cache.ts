import type { ResourceType } from '../../api/resource-type.js'
import { expired } from '../../api/status.js'
import type { Store, StoreEvent } from '../store/store.js'
import type { CacheEvent, Collection } from './collection.js'
import { collectionPrefix, decodeStored, objectsPrefix, type StoredObject, withRevision } from './object-codec.js'
import { servedCollection } from './served-collection.js'

/** Events kept for watchers that come late or come back; older ones must list again. */
const keptEvents = 2000
/** How much of the past is read at start, so that watchers of the last process can go on. */
const replayedRevisions = 1000

/** A copy of all objects in memory, fed by one watch of the store. Reads never wait for the disk. */
export interface ObjectCache {
  /** What the copy shows. */
  readonly revision: number
  collection(resource: ResourceType): Collection
  /** Resolves when the copy shows `revision` or newer. */
  reached(revision: number): Promise<void>
  /** Resolves when the copy shows all that was durable when this was called, whichever server wrote it. */
  current(): Promise<void>
  /** Settles when the cache ends: resolves when its signal aborts, rejects when the store fails. */
  readonly ended: Promise<void>
}

/** Lists and watches `store` until `signal` aborts; resolves once the copy is complete. What no resource is known for is kept too: its definition may be among it. */
export async function startObjectCache(store: Store, signal: AbortSignal): Promise<ObjectCache> {
  const newest = await store.newest()
  const start = Math.max(store.compactedRevision, newest - replayedRevisions, 0)
  const collections = new Map<string, ReturnType<typeof createCollection>>()
  const collectionAt = (prefix: string) => {
    const collection = collections.get(prefix) ?? createCollection(start)
    collections.set(prefix, collection)
    return collection
  }
  const collectionOf = (key: string) => collectionAt(key.slice(0, key.indexOf('/', key.indexOf('/', objectsPrefix.length) + 1) + 1))
  const views = new WeakMap<object, Collection>()
  const waiting = new Set<{ readonly revision: number; readonly resolve: () => void }>()
  let revision = start

  for (const entry of (await store.list(objectsPrefix, { revision: start })).entries) collectionOf(entry.key).load(decodeStored(entry))

  function advance(to: number): void {
    revision = to
    for (const waiter of waiting) {
      if (waiter.revision > revision) continue
      waiting.delete(waiter)
      waiter.resolve()
    }
  }

  const ended = (async () => {
    for await (const change of store.watch('/', start, signal)) {
      // Allocations lie beside the objects.
      const events = change.events.filter(({ key }) => key.startsWith(objectsPrefix))
      for (const event of events) collectionOf(event.key).apply(event, change.revision)
      advance(change.revision)
    }
  })()
  ended.catch(() => undefined) // Whoever waits for `ended` hears of it.

  const reached = (wanted: number): Promise<void> =>
    revision >= wanted ? Promise.resolve() : new Promise(resolve => waiting.add({ revision: wanted, resolve }))

  const cache: ObjectCache = {
    get revision() {
      return revision
    },
    collection(resource) {
      const collection = collectionAt(collectionPrefix(resource))
      const form = resource.custom ?? resource.storedAs
      if (!form) return collection
      const view = views.get(form) ?? servedCollection(collection, resource)
      views.set(form, view)
      return view
    },
    reached,
    current: async () => reached(await store.newest()),
    ended,
  }
  await Promise.race([cache.reached(newest), ended])
  return cache
}

function createCollection(
  start: number,
): Collection & { load(object: StoredObject): void; apply(event: StoreEvent, revision: number): void } {
  const objects = new Map<string, StoredObject>()
  const keys: string[] = [] // Sorted.
  const events: CacheEvent[] = []
  const listeners = new Set<(event: CacheEvent) => void>()
  let forgotten = start

  /** The place of the first key that is not before `key`. */
  function placeOf(key: string): number {
    let low = 0
    let high = keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }

  function load(object: StoredObject): void {
    if (!objects.has(object.key)) keys.splice(placeOf(object.key), 0, object.key)
    objects.set(object.key, object)
  }

  return {
    load,
    get size() {
      return keys.length
    },
    get: key => objects.get(key),
    list(prefix) {
      const found: StoredObject[] = []
      for (let i = placeOf(prefix); i < keys.length && keys[i]!.startsWith(prefix); i++) found.push(objects.get(keys[i]!)!)
      return found
    },
    apply({ key, current: entry }, revision) {
      const before = objects.get(key)
      const current = entry && decodeStored(entry)
      if (current) load(current)
      else if (objects.delete(key)) keys.splice(placeOf(key), 1)
      if (!current && !before) return
      const event: CacheEvent = { revision, current, previous: current ? before : before && withRevision(before, revision) }
      events.push(event)
      if (events.length > 2 * keptEvents) {
        const dropped = events.splice(0, events.length - keptEvents)
        forgotten = dropped.at(-1)!.revision
      }
      for (const listener of listeners) listener(event)
    },
    subscribe(after, listener) {
      if (after < forgotten) throw expired(`too old resource version: ${after} (${forgotten})`)
      for (const event of events) if (event.revision > after) listener(event)
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
  }
}
