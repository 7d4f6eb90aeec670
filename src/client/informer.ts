/**
 * A local copy of one collection, kept by list and watch; it survives every error by relisting with backoff until its signal aborts.
 * Listeners get keys, never objects: the reader takes the whole current state (level, not edge).
 */
export interface Informer<T> {
  /** Lists and watches until `signal` aborts; never rejects otherwise. */
  run(signal: AbortSignal): Promise<void>
  /** Resolves after the first complete list. */
  readonly synced: Promise<void>
  readonly isSynced: boolean
  /** Milliseconds since the copy was last known to be current; 0 while the watch is alive. */
  staleMs(): number
  /** `namespace/name`, or `name` for cluster-scoped objects. */
  get(key: string): T | undefined
  list(): readonly T[]
  /** Called with the key of each added, changed or removed object. Returns the way to stop it. */
  onChange(listener: (key: string) => void): () => void
}
