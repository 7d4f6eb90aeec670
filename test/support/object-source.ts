import type { ApiObject } from '../../src/client/client.js'
import type { ObjectSource } from '../../src/dns/zone-index.js'

/** An object source whose content a test changes; listeners hear of it as from an informer. */
export interface ChangeableSource<T> extends ObjectSource<T> {
  put(object: T): void
  remove(key: string): void
}

export function objectSource<T extends ApiObject>(initial: readonly T[] = []): ChangeableSource<T> {
  const keyOf = ({ metadata }: T): string => `${metadata?.namespace}/${metadata?.name}`
  const objects = new Map(initial.map(object => [keyOf(object), object]))
  const listeners = new Set<(key: string) => void>()
  const tell = (key: string): void => {
    for (const listener of listeners) listener(key)
  }
  return {
    get: key => objects.get(key),
    list: () => [...objects.values()],
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    put(object) {
      objects.set(keyOf(object), object)
      tell(keyOf(object))
    },
    remove(key) {
      objects.delete(key)
      tell(key)
    },
  }
}
