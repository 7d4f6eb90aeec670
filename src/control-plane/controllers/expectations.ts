import { type Clock, systemClock } from '../../base/time/clock.js'
import type { ApiObject } from '../../client/client.js'
import type { Informer } from '../../client/informer.js'

/** After so long an expected change is no longer waited for: it was undone before it was seen. */
export const expectationTimeoutMs = 30_000

/** Upstream's alphabet for generated names: no vowels, so no words. */
const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789'

/**
 * What a controller has written and its informer has not shown yet. A controller that acted on the older copy would do the same
 * thing twice, so it waits until its expectations are met.
 */
export interface Expectations<T> {
  /** `isSeen` is asked at each change of `key`. */
  expect(owner: string, key: string, isSeen: (object: T | undefined) => boolean): void
  cancel(owner: string, key: string): void
  isMet(owner: string): boolean
  forget(owner: string): void
}

export function createExpectations<T extends ApiObject>(informer: Informer<T>, clock: Clock = systemClock): Expectations<T> {
  interface Entry {
    readonly until: number
    readonly isSeen: (object: T | undefined) => boolean
  }
  const open = new Map<string, Map<string, Entry>>()
  const cancel = (owner: string, key: string) => {
    const entries = open.get(owner)
    entries?.delete(key)
    if (entries?.size === 0) open.delete(owner)
  }
  informer.onChange(key => {
    for (const [owner, entries] of open) if (entries.get(key)?.isSeen(informer.get(key))) cancel(owner, key)
  })
  return {
    expect(owner, key, isSeen) {
      const entries = open.get(owner) ?? new Map<string, Entry>()
      entries.set(key, { until: clock.now() + expectationTimeoutMs, isSeen })
      open.set(owner, entries)
    },
    cancel,
    isMet(owner) {
      for (const [key, { until }] of open.get(owner) ?? []) if (until <= clock.now()) cancel(owner, key)
      return !open.has(owner)
    },
    forget: owner => open.delete(owner),
  }
}

/** True when `object` is at least as new as `written`. Revisions are numbers that grow, since Kubernetes 1.35 by promise. */
export const hasReached = (object: ApiObject, written: ApiObject): boolean =>
  Number(object.metadata?.resourceVersion) >= Number(written.metadata?.resourceVersion)

/**
 * A name as the server makes one of `generateName`. Made here, it is known before the request, so that its arrival can be expected
 * without a race.
 */
export function generatedName(prefix: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(5))
  const suffix = [...bytes].map(byte => nameAlphabet[byte % nameAlphabet.length]).join('')
  return `${prefix.slice(0, 58)}${suffix}`
}
