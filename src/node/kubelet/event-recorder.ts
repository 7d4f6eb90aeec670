import { events } from '../../api/generated/resources.js'
import type { Event, ObjectReference } from '../../api/generated/types.js'
import type { Clock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import { timestamp } from './pod-status.js'

export interface EventNews {
  readonly object: ObjectReference
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

/** Publishes what happened, for `kubectl describe`. Never waits and never fails: an event that cannot be published is lost. */
export type EventRecorder = (news: EventNews) => void

export interface EventRecorderOptions {
  readonly client: Client
  readonly clock: Clock
  readonly source: { readonly component: string; readonly host: string }
}

/** What has been said of one object is remembered up to this many events in all. */
const remembered = 1024

/** An event that repeats becomes one object with a count. All ends when `signal` aborts. */
export function createEventRecorder({ client, clock, source }: EventRecorderOptions, signal: AbortSignal): EventRecorder {
  const known = new Map<string, { readonly event: Event; count: number }>()
  let last: Promise<unknown> = Promise.resolve()
  let serial = 0

  async function publish({ object, type, reason, message }: EventNews): Promise<void> {
    const key = JSON.stringify([object.uid, object.fieldPath, type, reason, message])
    const now = timestamp(clock.now())
    const namespace = object.namespace ?? 'default'
    const before = known.get(key)
    if (before) {
      before.count += 1
      const at = { namespace, name: before.event.metadata.name ?? '' }
      await client.patch(events, at, { count: before.count, lastTimestamp: now }, { type: 'merge' }, signal)
      return
    }
    serial += 1
    const name = `${object.name}.${clock.now().toString(16)}${serial.toString(16).padStart(4, '0')}`
    const event: Event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, name },
      involvedObject: object,
      type,
      reason,
      message,
      source,
      reportingComponent: source.component,
      reportingInstance: source.host,
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    }
    await client.create(events, event, signal)
    known.set(key, { event, count: 1 })
    if (known.size > remembered) known.delete(known.keys().next().value!)
  }

  return news => {
    // One after the other, so that a repetition finds the first one.
    last = last.then(() => publish(news)).catch(() => {})
  }
}
