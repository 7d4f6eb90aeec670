/**
 * Revisioned keys with watch, in etcd's semantics.
 *
 * One revision counts the commits of all keys; where counting begins is the engine's choice. A commit is durable when its promise resolves. Whoever lists at a revision and watches
 * from it sees every later change once, in order, or learns by REVISION_TOO_OLD that it must list again.
 */
export interface Store {
  /** The newest durable revision that this process knows of. */
  readonly revision: number
  /** The newest durable revision at the time of asking, whoever wrote it: what a reader must see who was told of a write elsewhere. */
  newest(): Promise<number>
  get(key: string): Promise<StoredEntry | undefined>
  /** Entries whose key starts with `prefix`, in key order. Throws REVISION_TOO_OLD for a compacted revision. */
  list(prefix: string, options?: ListRange): Promise<StoredList>
  /** Applies all changes as one revision if every expectation holds, and none otherwise. */
  commit(commit: Commit): Promise<CommitResult>
  /**
   * Every revision after `after` that touches `prefix`, in order; ends when `signal` aborts. Throws REVISION_TOO_OLD when `after` lies
   * before the last compaction, also in the middle of the watch if its reader falls that far behind.
   */
  watch(prefix: string, after: number, signal: AbortSignal): AsyncIterable<StoreChange>
  /** Forgets what only lists and watches before `revision` would need. Lists at `revision` itself stay possible. */
  compact(revision: number): Promise<void>
  /** The oldest revision that can still be listed and watched from. */
  readonly compactedRevision: number
  /** What the engine's file takes, and how much of that holds something. */
  size(): Promise<{ readonly bytes: number; readonly usedBytes: number }>
  /** Waits for commits under way, then closes. */
  close(): Promise<void>
}

export interface StoredEntry {
  readonly key: string
  readonly value: Uint8Array
  /** The revision of the commit that put this key first since it was last absent. */
  readonly createRevision: number
  /** The revision of the commit that put this value. */
  readonly modRevision: number
}

export interface ListRange {
  /** The newest when absent. */
  readonly revision?: number
  /** Only keys after this one. */
  readonly after?: string
  readonly limit?: number
}

export interface StoredList {
  /** The revision the list shows. */
  readonly revision: number
  readonly entries: readonly StoredEntry[]
  /** Entries of the range beyond `limit`. */
  readonly remaining: number
}

export interface Commit {
  /** The modRevision that a key must have now; 0 when it must be absent. */
  readonly expect: readonly { readonly key: string; readonly revision: number }[]
  readonly changes: readonly Change[]
}

export type Change =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: string }

/** A lost comparison is an answer, not an error: the caller decides whether to read again or to refuse. */
export type CommitResult =
  | { readonly committed: true; readonly revision: number }
  | { readonly committed: false; readonly key: string; readonly found: StoredEntry | undefined }

/** What one revision did to the watched keys. */
export interface StoreChange {
  readonly revision: number
  readonly events: readonly StoreEvent[]
}

export interface StoreEvent {
  readonly key: string
  /** Absent when the key was deleted. */
  readonly current: StoredEntry | undefined
  /** Absent when the key was created. */
  readonly previous: StoredEntry | undefined
}
