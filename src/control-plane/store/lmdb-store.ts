import { mkdirSync } from 'node:fs'
import { type Database, open, type RootDatabase } from 'lmdb'

import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Commit, CommitResult, ListRange, Store, StoreChange, StoredEntry, StoredList, StoreEvent } from './store.js'

/** Where a value lies: the revision that put it, and its place among the changes of that revision. */
interface Place {
  readonly mod: number
  readonly index: number
  readonly create: number
}

/** What one revision did to one key, and where the value of before still lies. */
interface LoggedEvent {
  readonly key: string
  readonly current: Place | undefined
  readonly previous: Place | undefined
}

/** LMDB refuses longer keys; Kubernetes names keep far below. */
const longestKey = 1900
const compactionBatch = 1000
/** Changes kept in memory, so that watches which keep up never read the database. */
const keptInMemory = 1000

/**
 * The store in one LMDB environment below `directory`, for one process.
 *
 * Comparisons are decided in memory, where every key's newest revision stands; what a commit writes goes to LMDB's own thread, which
 * joins all that waits into one flush. So nothing in this process ever waits for the disk but the commits themselves. A value is
 * written once, under its revision; `heads` and `log` only point at it.
 */
export function openLmdbStore(directory: string): Store {
  mkdirSync(directory, { recursive: true })
  const root = open({ path: directory, noSubdir: false, maxDbs: 4 })
  const heads = root.openDB<Place, string>({ name: 'heads', encoding: 'json' })
  const values = root.openDB<Buffer, [number, number]>({ name: 'values', encoding: 'binary' })
  const log = root.openDB<readonly LoggedEvent[], number>({ name: 'log', keyEncoding: 'uint32', encoding: 'json' })
  const meta = root.openDB<number, string>({ name: 'meta', encoding: 'json' })

  const newest = new Map<string, Place>()
  for (const { key, value } of heads.getRange({})) newest.set(key, value)
  let written = meta.get('revision') ?? 0
  let durable = written
  let compacted = meta.get('compacted') ?? 0
  let recent: StoreChange[] = []
  let lastFlush: Promise<void> = Promise.resolve()
  let failure: PodwireError | undefined
  let closed = false
  const waiting = new Set<() => void>()

  const valueAt = ({ mod, index }: Place): Buffer => values.get([mod, index])!
  const entryAt = (key: string, place: Place): StoredEntry => storedEntry(key, place, valueAt(place))

  function commit({ expect, changes }: Commit): Promise<CommitResult> {
    const refused = refusalOf(changes)
    if (refused) return Promise.reject(refused)
    for (const { key, revision } of expect) {
      const found = newest.get(key)
      if ((found?.mod ?? 0) !== revision) {
        return lastFlush.then(() => ({ committed: false, key, found: found && storedEntry(key, found, valueAt(found)) }))
      }
    }
    const revision = written + 1
    const logged: LoggedEvent[] = []
    const events: StoreEvent[] = []
    for (const change of changes) {
      const { key } = change
      const previous = newest.get(key)
      if (change.type === 'put') {
        const current: Place = { create: previous?.create ?? revision, mod: revision, index: logged.length }
        const value = Buffer.from(change.value)
        void values.put([revision, current.index], value)
        void heads.put(key, current)
        newest.set(key, current)
        logged.push({ key, current, previous })
        events.push(eventOf(key, storedEntry(key, current, value), previous))
      } else if (previous) {
        void heads.remove(key)
        newest.delete(key)
        logged.push({ key, current: undefined, previous })
        events.push(eventOf(key, undefined, previous))
      }
    }
    if (logged.length === 0) return lastFlush.then(() => ({ committed: true, revision: durable }))
    written = revision
    void log.put(revision, logged)
    const done = meta.put('revision', revision)
    recent.push({ revision, events })
    // Both are asked for in this turn: the flush of a later batch says nothing about this one, and LMDB resolves a put before its flush.
    lastFlush = Promise.all([done, root.flushed]).then(() => advance(revision), fail)
    return lastFlush.then(() => ({ committed: true, revision }))
  }

  function refusalOf(changes: Commit['changes']): PodwireError | undefined {
    if (closed) return new PodwireError('ABORTED', 'the store is closed')
    if (failure) return failure
    const long = changes.find(({ key }) => Buffer.byteLength(key) > longestKey)
    return long && new PodwireError('CONFIG_INVALID', `the key ${long.key.slice(0, 60)}… is longer than ${longestKey} bytes`)
  }

  function advance(revision: number): void {
    if (failure) throw failure
    durable = Math.max(durable, revision)
    if (recent.length > 2 * keptInMemory) recent = recent.slice(-keptInMemory)
    for (const wake of waiting) wake()
  }

  /** What stands in memory is now ahead of the disk: nothing may be built on it. */
  function fail(cause: unknown): never {
    failure ??= new PodwireError('STORE_UNAVAILABLE', `lmdb could not write: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
    throw failure
  }

  function refuseCompacted(revision: number): void {
    if (revision >= compacted) return
    throw new PodwireError('REVISION_TOO_OLD', `revision ${revision} has been compacted; the oldest kept is ${compacted}`)
  }

  /** The keys below `prefix` that changed after `revision`, each with where its value of then lies. */
  function changedSince(revision: number, prefix: string): Map<string, Place | undefined> {
    const then = new Map<string, Place | undefined>()
    for (const { value } of log.getRange({ start: revision + 1 })) {
      for (const { key, previous } of value) if (key.startsWith(prefix) && !then.has(key)) then.set(key, previous)
    }
    return then
  }

  /** Everything below `prefix` as it was at `at`, in key order; all reads of one turn see one state of the database. */
  function placesAt(prefix: string, at: number): (readonly [string, Place])[] {
    const then = changedSince(at, prefix)
    const places: (readonly [string, Place])[] = []
    for (const { key, value } of heads.getRange({ start: prefix })) {
      if (!key.startsWith(prefix)) break
      if (!then.has(key)) places.push([key, value])
    }
    if (then.size === 0) return places
    for (const [key, place] of then) if (place) places.push([key, place])
    return places.sort(([a], [b]) => (a < b ? -1 : 1))
  }

  async function list(prefix: string, { revision, after, limit = Number.POSITIVE_INFINITY }: ListRange = {}): Promise<StoredList> {
    const at = revision ?? durable
    refuseCompacted(at)
    if (at > durable) throw new PodwireError('CONFLICT', `revision ${at} is in the future; the newest is ${durable}`)
    const all = placesAt(prefix, at)
    const rest = after === undefined ? all : all.filter(([key]) => key > after)
    const entries = rest.slice(0, limit).map(([key, place]) => entryAt(key, place))
    return { revision: at, entries, remaining: rest.length - entries.length }
  }

  async function* watch(prefix: string, after: number, signal: AbortSignal): AsyncGenerator<StoreChange> {
    let seen = after
    while (!signal.aborted && !closed) {
      refuseCompacted(seen)
      if (seen >= durable) {
        await nextCommit(signal)
        continue
      }
      const { changes, upTo } = changesAfter(seen)
      seen = upTo
      for (const { revision, events } of changes) {
        const wanted = prefix === '' ? events : events.filter(({ key }) => key.startsWith(prefix))
        if (wanted.length === 0) continue
        if (signal.aborted) return
        yield { revision, events: wanted }
      }
    }
  }

  /** Durable changes after `seen`, all or the next thousand. */
  function changesAfter(seen: number): { readonly changes: readonly StoreChange[]; readonly upTo: number } {
    const upTo = durable
    const first = recent[0]
    if (first && first.revision <= seen + 1) {
      const skip = seen + 1 - first.revision // Revisions are counted without gaps.
      return { changes: recent.slice(skip, upTo - first.revision + 1), upTo }
    }
    const changes: StoreChange[] = []
    for (const { key: revision, value } of log.getRange({ start: seen + 1, end: upTo + 1, limit: 1000 })) {
      changes.push({
        revision,
        events: value.map(({ key, current, previous }) => eventOf(key, current && entryAt(key, current), previous)),
      })
    }
    return { changes, upTo: changes.at(-1)?.revision ?? upTo }
  }

  /** The value of before is read when somebody asks: hardly anybody does. */
  function eventOf(key: string, current: StoredEntry | undefined, previous: Place | undefined): StoreEvent {
    return {
      key,
      current,
      get previous() {
        return previous && entryAt(key, previous)
      },
    }
  }

  function nextCommit(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = (): void => {
        waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      waiting.add(wake)
      signal.addEventListener('abort', wake)
    })
  }

  async function compact(revision: number): Promise<void> {
    const target = Math.min(revision, durable)
    if (target <= compacted) return
    compacted = target
    await meta.put('compacted', target)
    for (;;) {
      const old = [...log.getRange({ end: target + 1, limit: compactionBatch })]
      if (old.length === 0) break
      for (const { key, value } of old) {
        // What a change up to the target replaced can be seen by nobody any more.
        for (const { previous } of value) if (previous) void values.remove([previous.mod, previous.index])
        void log.remove(key)
      }
      await root.flushed
    }
  }

  return {
    get revision() {
      return durable
    },
    get compactedRevision() {
      return compacted
    },
    newest: () => Promise.resolve(durable),
    async get(key) {
      const place = newest.get(key)
      if (place && place.mod <= durable) return entryAt(key, place)
      // What is not durable yet may not be shown: the database still knows what was there before.
      const then = changedSince(durable, key)
      const shown = then.has(key) ? then.get(key) : heads.get(key)
      return shown && entryAt(key, shown)
    },
    list,
    commit,
    watch,
    compact,
    size: () => Promise.resolve(sizeOf(root, [heads, values, log, meta])),
    async close() {
      closed = true
      await lastFlush.catch(() => undefined)
      for (const wake of waiting) wake()
      await root.close()
    },
  }
}

const storedEntry = (key: string, { create, mod }: Place, value: Uint8Array): StoredEntry => ({
  key,
  value,
  createRevision: create,
  modRevision: mod,
})

interface PageCounts {
  readonly pageSize: number
  readonly lastPageNumber: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

function sizeOf(root: RootDatabase, databases: readonly Database[]): { readonly bytes: number; readonly usedBytes: number } {
  const { pageSize, lastPageNumber } = root.getStats() as PageCounts
  const used = databases.map(database => {
    const { treeBranchPageCount, treeLeafPageCount, overflowPages } = database.getStats() as PageCounts
    return treeBranchPageCount + treeLeafPageCount + overflowPages
  })
  return { bytes: (lastPageNumber + 1) * pageSize, usedBytes: used.reduce((sum, pages) => sum + pages, 0) * pageSize }
}
