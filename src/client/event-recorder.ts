import { events } from '../api/generated/resources.js'
import type { Event, ObjectReference } from '../api/generated/types.js'
import { timeText } from '../api/time-text.js'
import { isPodwireError } from '../base/errors/podwire-error.js'
import { type Clock, systemClock } from '../base/time/clock.js'
import type { ApiObject, Client } from './client.js'

export interface EventText {
  readonly type: 'Normal' | 'Warning'
  /** One word in CamelCase that programs may rely on. */
  readonly reason: string
  readonly message: string
}

export interface EventRecorder {
  /** Records that something happened to an object. Never fails its caller: what could not be written is told to `onError`. */
  record(object: ApiObject, event: EventText): void
  /** Resolves when everything recorded so far has been written or given up. */
  flush(): Promise<void>
}

export interface EventRecorderOptions {
  /** Who saw it, as `deployment-controller`. */
  readonly component: string
  /** The node it was seen on. */
  readonly host?: string
  readonly clock?: Clock
  readonly onError?: (error: unknown) => void
}

/** So many different events are remembered to be counted up; beyond it the ones not seen for longest are forgotten. */
const rememberedEvents = 1000

/** Writes Events; the same event of the same object again raises the count of the first one. */
export function createEventRecorder(client: Client, options: EventRecorderOptions): EventRecorder {
  const { component, host, clock = systemClock, onError = () => {} } = options
  const known = new Map<string, Event>()
  let last: Promise<void> = Promise.resolve()
  let serial = 0

  function newEvent(involvedObject: ObjectReference, { type, reason, message }: EventText): Event {
    const namespace = involvedObject.namespace ?? 'default'
    const now = timeText(clock.now())
    // Unique among all recorders: time to the millisecond, then a number of our own and of this process.
    const suffix = `${clock.now().toString(16)}${(process.pid & 0xffff).toString(16)}${(serial++ & 0xfff).toString(16)}`
    return {
      metadata: { name: `${involvedObject.name}.${suffix}`, namespace },
      involvedObject,
      type,
      reason,
      message,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host ?? '',
    }
  }

  async function write(key: string, involvedObject: ObjectReference, event: EventText): Promise<void> {
    const previous = known.get(key)
    known.delete(key)
    if (previous) {
      const count = (previous.count ?? 1) + 1
      const lastTimestamp = timeText(clock.now())
      const at = { namespace: previous.metadata?.namespace, name: previous.metadata?.name ?? '' }
      try {
        known.set(key, await client.patch(events, at, { count, lastTimestamp }, { type: 'merge' }))
        return
      } catch (error) {
        if (!isPodwireError(error, 'NOT_FOUND')) throw error // Events are removed after a while.
      }
    }
    known.set(key, await client.create(events, newEvent(involvedObject, event)))
    if (known.size > rememberedEvents) known.delete(known.keys().next().value!)
  }

  return {
    record(object, event) {
      const involved = referenceTo(object)
      const key = [involved.uid, involved.name, event.type, event.reason, event.message].join('\n')
      last = last.then(() => write(key, involved, event)).catch(onError)
    },
    flush: () => last,
  }
}

function referenceTo({ apiVersion, kind, metadata = {} }: ApiObject): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata
  return Object.fromEntries(
    Object.entries({ apiVersion, kind, namespace, name, uid, resourceVersion }).filter(([, value]) => value !== undefined),
  ) as ObjectReference
}
