import type { ApiResource } from '../api/api-resource.js'
import { isPodwireError } from '../base/errors/podwire-error.js'
import { type Clock, systemClock } from '../base/time/clock.js'
import type { ApiObject, Client, ListOptions } from './client.js'
import type { Informer } from './informer.js'

export interface InformerOptions extends Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'> {
  readonly clock?: Clock
  /** Told of every error that made the informer start over, for the log. */
  readonly onError?: (error: unknown) => void
}

/** Lists in pieces of this many objects. */
const pageSize = 500
const backoff = { firstMs: 100, factor: 2, longestMs: 10_000 }
/** A watch that lasted this long was a good one: the next failure starts with a short wait again. */
const goodWatchMs = 5_000
/** The server ends a watch after this long, spread so that informers do not all come back at once. */
const watchSeconds = () => 300 + Math.floor(Math.random() * 300)

/** `namespace/name`, or `name` for cluster-scoped objects. */
export function keyOfObject(object: ApiObject): string {
  const { namespace, name = '' } = object.metadata ?? {}
  return namespace === undefined ? name : `${namespace}/${name}`
}

/** A local copy of `resource`, kept by list and watch. Nothing happens before `run`. */
export function createInformer<T extends ApiObject>(client: Client, resource: ApiResource<T>, options: InformerOptions = {}): Informer<T> {
  const { clock = systemClock, onError = () => {}, ...selection } = options
  const objects = new Map<string, T>()
  const listeners = new Set<(key: string) => void>()
  let resourceVersion = ''
  let currentAt = clock.now()
  let isAlive = false
  let isSynced = false
  let resolveSynced = () => {}
  const synced = new Promise<void>(resolve => {
    resolveSynced = resolve
  })

  const notify = (key: string) => {
    for (const listener of [...listeners]) listener(key)
  }

  async function listAll(signal: AbortSignal): Promise<void> {
    const found = new Map<string, T>()
    let next: string | undefined
    do {
      const page = await client.list(resource, { ...selection, limit: pageSize, ...(next ? { continue: next } : {}) }, signal)
      for (const object of page.items) found.set(keyOfObject(object), object)
      next = page.metadata.continue
      resourceVersion = page.metadata.resourceVersion ?? ''
    } while (next)

    const changed = [...found].flatMap(([key, object]) => (isSame(objects.get(key), object) ? [] : [key]))
    const gone = [...objects.keys()].filter(key => !found.has(key))
    for (const key of gone) objects.delete(key)
    for (const key of changed) objects.set(key, found.get(key)!)
    currentAt = clock.now()
    if (!isSynced) {
      isSynced = true
      resolveSynced()
    }
    for (const key of [...gone, ...changed]) notify(key)
  }

  /** Follows the collection from the last revision seen until the server ends the watch. */
  async function follow(signal: AbortSignal): Promise<void> {
    const watchOptions = { ...selection, resourceVersion, allowWatchBookmarks: true, timeoutSeconds: watchSeconds() }
    isAlive = true
    try {
      for await (const event of client.watch(resource, watchOptions, signal)) {
        resourceVersion = event.object.metadata?.resourceVersion ?? resourceVersion
        if (event.type === 'BOOKMARK') continue
        const key = keyOfObject(event.object)
        if (event.type === 'DELETED') objects.delete(key)
        else objects.set(key, event.object)
        notify(key)
      }
    } finally {
      isAlive = false
      currentAt = clock.now()
    }
  }

  async function run(until: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([until]) // Of our own: many informers share one signal, each with listeners of its own.
    let waitMs = backoff.firstMs
    let mustList = true
    while (!signal.aborted) {
      const startedAt = clock.now()
      let error: unknown
      try {
        if (mustList) await listAll(signal)
        mustList = true
        await follow(signal)
        mustList = false
      } catch (caught) {
        if (signal.aborted) return
        error = caught
        onError(caught)
      }
      if (clock.now() - startedAt >= goodWatchMs) {
        waitMs = backoff.firstMs
        if (error === undefined) continue
      }
      // A compacted revision is cured by listing, so that need not wait.
      if (isPodwireError(error, 'REVISION_TOO_OLD') && waitMs === backoff.firstMs) {
        waitMs *= backoff.factor
        continue
      }
      try {
        await clock.sleep(waitMs * (0.5 + Math.random() / 2), signal)
      } catch {
        return // Only the signal ends a sleep early.
      }
      waitMs = Math.min(waitMs * backoff.factor, backoff.longestMs)
    }
  }

  return {
    run,
    synced,
    get isSynced() {
      return isSynced
    },
    staleMs: () => (isAlive ? 0 : clock.now() - currentAt),
    get: key => objects.get(key),
    list: () => [...objects.values()],
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

const isSame = (known: ApiObject | undefined, found: ApiObject): boolean =>
  known !== undefined && known.metadata?.uid === found.metadata?.uid && known.metadata?.resourceVersion === found.metadata?.resourceVersion
