import type { ResourceType } from '../../api/resource-type.js'
import type { CacheEvent, Collection } from './collection.js'
import { type StoredObject, servedAs } from './object-codec.js'

/** A collection as a resource shows it that is stored in another form; what was converted once is kept as long as the original. */
export function servedCollection(collection: Collection, resource: ResourceType): Collection {
  const converted = new WeakMap<StoredObject, StoredObject>()
  const serve = (stored: StoredObject): StoredObject => {
    const found = converted.get(stored) ?? servedAs(resource, stored)
    converted.set(stored, found)
    return found
  }
  const serveEvent = ({ revision, current, previous }: CacheEvent): CacheEvent => ({
    revision,
    current: current && serve(current),
    previous: previous && serve(previous),
  })
  return {
    get size() {
      return collection.size
    },
    get(key) {
      const found = collection.get(key)
      return found && serve(found)
    },
    list: prefix => collection.list(prefix).map(serve),
    subscribe: (after, listener) => collection.subscribe(after, event => listener(serveEvent(event))),
  }
}
