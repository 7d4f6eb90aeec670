import type { Store, StoreChange, StoredEntry } from '../../src/control-plane/store/store.js'

/** The same store, its revisions counted from where they stand now: engines begin at numbers of their own. */
export function relativeStore(store: Store): Store {
  const base = store.revision
  const entryOf = (entry: StoredEntry): StoredEntry => ({
    ...entry,
    createRevision: entry.createRevision - base,
    modRevision: entry.modRevision - base,
  })
  const changeOf = ({ revision, events }: StoreChange): StoreChange => ({
    revision: revision - base,
    events: events.map(({ key, current, previous }) => ({
      key,
      current: current && entryOf(current),
      previous: previous && entryOf(previous),
    })),
  })
  return {
    ...store,
    get revision() {
      return store.revision - base
    },
    get compactedRevision() {
      return store.compactedRevision - base
    },
    newest: async () => (await store.newest()) - base,
    async get(key) {
      const entry = await store.get(key)
      return entry && entryOf(entry)
    },
    async list(prefix, { revision, ...range } = {}) {
      const list = await store.list(prefix, { ...range, ...(revision !== undefined && { revision: revision + base }) })
      return { ...list, revision: list.revision - base, entries: list.entries.map(entryOf) }
    },
    async commit({ expect, changes }) {
      const result = await store.commit({
        expect: expect.map(({ key, revision }) => ({ key, revision: revision === 0 ? 0 : revision + base })),
        changes,
      })
      if (result.committed) return { committed: true, revision: result.revision - base }
      return { ...result, found: result.found && entryOf(result.found) }
    },
    async *watch(prefix, after, signal) {
      for await (const change of store.watch(prefix, after + base, signal)) yield changeOf(change)
    },
    compact: revision => store.compact(revision + base),
  }
}
