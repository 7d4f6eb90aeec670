import type { ApiObject } from '../../client/client.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'

/**
 * Tells of each change with the object as it was last seen and as it is now: `undefined` where it is not there. Objects that the
 * informer holds already are told as new. An object that was replaced by another of the same name is told as removed, then as new.
 */
export function onObjectChange<T extends ApiObject>(
  informer: Informer<T>,
  listener: (before: T | undefined, after: T | undefined) => void,
): void {
  const seen = new Map<string, T>()
  const look = (key: string) => {
    const before = seen.get(key)
    const after = informer.get(key)
    if (after === undefined) seen.delete(key)
    else seen.set(key, after)
    if (before === undefined && after === undefined) return
    if (before !== undefined && after !== undefined && before.metadata?.uid !== after.metadata?.uid) {
      listener(before, undefined)
      listener(undefined, after)
    } else listener(before, after)
  }
  informer.onChange(look)
  for (const object of informer.list()) look(keyOfObject(object))
}
