import type { StoredObject } from './object-codec.js'

/** What happened to one object. A deletion has no `current`; its `previous` bears the revision of the deletion. */
export interface CacheEvent {
  readonly revision: number
  readonly current: StoredObject | undefined
  readonly previous: StoredObject | undefined
}

/** The objects of one resource, and what happened to them lately. */
export interface Collection {
  readonly size: number
  get(key: string): StoredObject | undefined
  /** Objects whose key starts with `prefix`, in key order. */
  list(prefix: string): StoredObject[]
  /**
   * Calls `listener` for every event after the revision `after`, the past ones at once. Returns the way to stop it.
   * Throws 410 Expired when `after` is older than what is kept.
   */
  subscribe(after: number, listener: (event: CacheEvent) => void): () => void
}
