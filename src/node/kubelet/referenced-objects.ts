import type { ApiResource } from '../../api/api-resource.js'
import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Clock } from '../../base/time/clock.js'
import type { ApiObject, Client } from '../../client/client.js'
import { createInformer } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'

export interface Reference<T extends ApiObject> {
  readonly resource: ApiResource<T>
  readonly namespace: string
  readonly name: string
  /** The Pod that needs it. */
  readonly podUid: string
}

/** The ConfigMaps and Secrets that Pods of this node refer to, each watched for as long as a Pod needs it. */
export interface ReferencedObjects {
  /** The object as it is now, or undefined when there is none. Errors: TIMED_OUT when the API server does not answer. */
  read<T extends ApiObject>(reference: Reference<T>, signal: AbortSignal): Promise<T | undefined>
  /** The Pod needs nothing any more. */
  release(podUid: string): void
}

export interface ReferencedObjectsOptions {
  readonly client: Client
  readonly clock: Clock
  /** Called for each Pod that refers to an object that has changed. */
  readonly onChange: (podUid: string) => void
}

const answerWithinMs = 10_000

interface Watched {
  readonly informer: Informer<ApiObject>
  readonly stop: AbortController
  readonly podUids: Set<string>
}

/** Watches objects one by one (`metadata.name=…`), so that a node reads only what its Pods use. All ends when `signal` aborts. */
export function createReferencedObjects({ client, clock, onChange }: ReferencedObjectsOptions, signal: AbortSignal): ReferencedObjects {
  const watched = new Map<string, Watched>()

  function watch<T extends ApiObject>({ resource, namespace, name }: Reference<T>): Watched {
    const informer = createInformer(client, resource, { namespace, fieldSelector: `metadata.name=${name}`, clock })
    const entry: Watched = { informer, stop: new AbortController(), podUids: new Set() }
    informer.onChange(() => {
      for (const uid of entry.podUids) onChange(uid)
    })
    void informer.run(AbortSignal.any([signal, entry.stop.signal]))
    return entry
  }

  return {
    async read<T extends ApiObject>(reference: Reference<T>, signal: AbortSignal) {
      const { resource, namespace, name, podUid } = reference
      const key = `${resource.resource}/${namespace}/${name}`
      const entry = watched.get(key) ?? watch(reference)
      watched.set(key, entry)
      await untilSynced(entry.informer, key, signal)
      // From here on a change is news to the Pod.
      entry.podUids.add(podUid)
      return entry.informer.get(`${namespace}/${name}`) as T | undefined
    },
    release(podUid) {
      for (const [key, entry] of watched) {
        if (!entry.podUids.delete(podUid) || entry.podUids.size > 0) continue
        entry.stop.abort()
        watched.delete(key)
      }
    },
  }

  async function untilSynced(informer: Informer<ApiObject>, key: string, signal: AbortSignal): Promise<void> {
    if (informer.isSynced) return
    const done = new AbortController()
    try {
      await Promise.race([
        informer.synced,
        clock.sleep(answerWithinMs, AbortSignal.any([signal, done.signal])).then(() => {
          throw new PodwireError('TIMED_OUT', `${key} could not be read within ${answerWithinMs / 1000} s`)
        }),
      ])
    } finally {
      done.abort()
    }
  }
}
