import type { ApiObject } from '../../src/client/client.js'
import { keyOfObject } from '../../src/client/http-informer.js'
import type { Informer } from '../../src/client/informer.js'

export interface HeldInformer<T> extends Informer<T> {
  /** Lets the copy show this object, and tells the listeners. */
  show(object: T): void
  hide(key: string): void
}

/** An informer whose copy shows only what the test lets it: as one whose watch is far behind. */
export function heldInformer<T extends ApiObject>(...objects: readonly T[]): HeldInformer<T> {
  const shown = new Map(objects.map(object => [keyOfObject(object), object]))
  const listeners = new Set<(key: string) => void>()
  const tell = (key: string) => {
    for (const listener of [...listeners]) listener(key)
  }
  return {
    run: signal => new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true })),
    synced: Promise.resolve(),
    isSynced: true,
    staleMs: () => 0,
    get: key => shown.get(key),
    list: () => [...shown.values()],
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    show(object) {
      shown.set(keyOfObject(object), object)
      tell(keyOfObject(object))
    },
    hide(key) {
      shown.delete(key)
      tell(key)
    },
  }
}
