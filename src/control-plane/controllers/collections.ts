import type { ApiResource } from '../../api/api-resource.js'
import { customResourceTypes } from '../../api/custom/custom-resource-types.js'
import type { CustomResourceDefinition } from '../../api/generated/types.js'
import type { ApiObject } from '../../client/client.js'
import type { Informer } from '../../client/informer.js'
import { onObjectChange } from './object-changes.js'

/** A resource with the copy of all its objects, for controllers that treat every kind alike. */
export interface Collection {
  readonly resource: ApiResource<ApiObject>
  readonly informer: Informer<ApiObject>
}

/** What is followed: the built-in kinds always, custom ones from the moment they are established until their definition goes. */
export interface Collections {
  readonly builtIn: readonly Collection[]
  all(): readonly Collection[]
  /** Calls `listener` for each collection, those that are there already first. */
  onFollow(listener: (collection: Collection) => void): void
}

interface Options {
  readonly builtIn: readonly Collection[]
  readonly definitions: Informer<CustomResourceDefinition>
  /** An informer that nobody has started yet. */
  readonly follow: (resource: ApiResource<ApiObject>) => Informer<ApiObject>
}

/** Follows whatever is defined while the cluster runs, until `signal` aborts. */
export function followCollections({ builtIn, definitions, follow }: Options, signal: AbortSignal): Collections {
  const custom = new Map<string, Collection & { readonly stop: AbortController }>()
  const listeners = new Set<(collection: Collection) => void>()

  function start(name: string, resource: ApiResource<ApiObject>): void {
    const stop = new AbortController()
    const collection = { resource, informer: follow(resource), stop }
    custom.set(name, collection)
    for (const listener of listeners) listener(collection)
    void collection.informer.run(AbortSignal.any([signal, stop.signal])) // Never rejects.
  }

  function end(name: string): void {
    custom.get(name)?.stop.abort()
    custom.delete(name)
  }

  onObjectChange(definitions, (before, after) => {
    const name = (after ?? before)?.metadata?.name ?? ''
    const [served] = after ? customResourceTypes(after) : []
    const known = custom.get(name)?.resource
    if (served?.version === known?.version && served?.namespaced === known?.namespaced) return
    end(name)
    if (served) start(name, served)
  })

  return {
    builtIn,
    all: () => [...builtIn, ...custom.values()],
    onFollow(listener) {
      for (const collection of [...builtIn, ...custom.values()]) listener(collection)
      listeners.add(listener)
    },
  }
}
