import { mkdirSync } from 'node:fs'
import { type Database, open, type RootDatabase } from 'lmdb'

import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Commit, CommitResult, ListRange, Store, StoreChange, StoredEntry, StoredList, StoreEvent } from './store.js'

/** An entry as the database holds it; the key is the database's key. */
interface Row {
  readonly value: Uint8Array
  readonly create: number
  readonly mod: number
}

/** What one revision did, with what was there before: enough to go forward in a watch and back in a list. */
interface LogRow {
  readonly events: readonly { readonly key: string; readonly current?: Row; readonly previous?: Row }[]
}

/** LMDB refuses longer keys; Kubernetes names keep far below. */
const longestKey = 1900
const compactionBatch = 1000

/**
 * The store in one LMDB environment below `directory`, for one process.
 *
 * Commits that arrive while a flush runs wait and share the next one, so many writers cost one flush together.
 */
export function openLmdbStore(directory: string): Store {
  mkdirSync(directory, { recursive: true })
  const root = open({ path: directory, noSubdir: false, maxDbs: 3 })
  const objects = root.openDB<Row, string>({ name: 'objects' })
  const log = root.openDB<LogRow, number>({ name: 'log', keyEncoding: 'uint32' })
  const meta = root.openDB<number, string>({ name: 'meta' })

  let written = meta.get('revision') ?? 0
  let durable = written
  let compacted = meta.get('compacted') ?? 0
  let queue: { readonly commit: Commit; readonly resolve: (result: CommitResult) => void; readonly reject: (error: unknown) => void }[] = []
  let writing: Promise<void> | undefined
  let closed = false
  const waiting = new Set<() => void>()

  function apply({ expect, changes }: Commit): CommitResult {
    for (const { key, revision } of expect) {
      const found = objects.get(key)
      if ((found?.mod ?? 0) !== revision) return { committed: false, key, found: found && entryOf(key, found) }
    }
    const revision = written + 1
    const events: LogRow['events'][number][] = []
    for (const change of changes) {
      const previous = objects.get(change.key)
      if (change.type === 'put') {
        const current: Row = { value: change.value, create: previous?.create ?? revision, mod: revision }
        objects.putSync(change.key, current)
        events.push({ key: change.key, current, ...(previous && { previous }) })
      } else if (previous) {
        objects.removeSync(change.key)
        events.push({ key: change.key, previous })
      }
    }
    if (events.length === 0) return { committed: true, revision: written }
    log.putSync(revision, { events })
    meta.putSync('revision', revision)
    written = revision
    return { committed: true, revision }
  }

  async function writeQueue(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue
      queue = []
      const before = written
      try {
        const results = root.transactionSync(() => batch.map(({ commit }) => apply(commit)))
        await root.flushed
        durable = written
        batch.forEach(({ resolve }, i) => {
          resolve(results[i]!)
        })
        for (const wake of waiting) wake()
      } catch (error) {
        written = before
        for (const { reject } of batch) reject(error)
      }
    }
    writing = undefined
  }

  function refuseCompacted(revision: number): void {
    if (revision >= compacted) return
    throw new PodwireError('REVISION_TOO_OLD', `revision ${revision} has been compacted; the oldest kept is ${compacted}`)
  }

  /** The keys below `prefix` that changed after `revision`, each with what it was at `revision`. */
  function changedSince(revision: number, prefix: string): Map<string, Row | undefined> {
    const then = new Map<string, Row | undefined>()
    for (const { value } of log.getRange({ start: revision + 1, end: durable + 1, snapshot: true })) {
      for (const { key, previous } of value.events) if (key.startsWith(prefix) && !then.has(key)) then.set(key, previous)
    }
    return then
  }

  function* scan(prefix: string): Generator<StoredEntry> {
    for (const { key, value } of objects.getRange({ start: prefix })) {
      if (!key.startsWith(prefix)) return
      yield entryOf(key, value)
    }
  }

  async function list(prefix: string, { revision, after, limit = Number.POSITIVE_INFINITY }: ListRange = {}): Promise<StoredList> {
    await writing // A batch that is applied but not yet flushed must not be seen.
    const at = revision ?? durable
    refuseCompacted(at)
    if (at > durable) throw new PodwireError('CONFLICT', `revision ${at} is in the future; the newest is ${durable}`)
    const all = at === durable ? [...scan(prefix)] : rewound(prefix, at)
    const rest = after === undefined ? all : all.filter(({ key }) => key > after)
    const entries = rest.slice(0, limit)
    return { revision: at, entries, remaining: rest.length - entries.length }
  }

  function rewound(prefix: string, at: number): StoredEntry[] {
    const then = changedSince(at, prefix)
    const entries = [...scan(prefix)].filter(({ key }) => !then.has(key))
    for (const [key, row] of then) if (row) entries.push(entryOf(key, row))
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async function* watch(prefix: string, after: number, signal: AbortSignal): AsyncGenerator<StoreChange> {
    let seen = after
    while (!signal.aborted && !closed) {
      refuseCompacted(seen)
      if (seen >= durable) {
        await nextCommit(signal)
        continue
      }
      const upTo = durable
      const batch: StoreChange[] = []
      for (const { key: revision, value } of log.getRange({ start: seen + 1, end: upTo + 1, limit: 1000 })) {
        const events = value.events.filter(({ key }) => key.startsWith(prefix)).map(eventOf)
        if (events.length > 0) batch.push({ revision, events })
        seen = revision
      }
      for (const change of batch) {
        if (signal.aborted) return
        yield change
      }
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

  return {
    get revision() {
      return durable
    },
    get compactedRevision() {
      return compacted
    },
    newest: () => Promise.resolve(durable),
    size: () => Promise.resolve(sizeOf(root, [objects, log, meta])),
    async get(key) {
      await writing
      const row = objects.get(key)
      return row && entryOf(key, row)
    },
    list,
    commit(commit) {
      if (closed) return Promise.reject(new PodwireError('ABORTED', 'the store is closed'))
      const long = commit.changes.find(({ key }) => Buffer.byteLength(key) > longestKey)
      if (long)
        return Promise.reject(new PodwireError('CONFIG_INVALID', `the key ${long.key.slice(0, 60)}… is longer than ${longestKey} bytes`))
      return new Promise((resolve, reject) => {
        queue.push({ commit, resolve, reject })
        // Commits of the same turn share the first flush too.
        writing ??= Promise.resolve().then(writeQueue)
      })
    },
    watch,
    async compact(revision) {
      await writing
      const target = Math.min(revision, durable)
      if (target <= compacted) return
      compacted = target
      await meta.put('compacted', target)
      for (;;) {
        const old = [...log.getKeys({ start: 0, end: target + 1, limit: compactionBatch })]
        if (old.length === 0) break
        root.transactionSync(() => {
          for (const key of old) log.removeSync(key)
        })
        await root.flushed
      }
    },
    async close() {
      closed = true
      await writing
      for (const wake of waiting) wake()
      await root.close()
    },
  }
}

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

const entryOf = (key: string, { value, create, mod }: Row): StoredEntry => ({ key, value, createRevision: create, modRevision: mod })

const eventOf = ({ key, current, previous }: LogRow['events'][number]): StoreEvent => ({
  key,
  current: current && entryOf(key, current),
  previous: previous && entryOf(key, previous),
})
