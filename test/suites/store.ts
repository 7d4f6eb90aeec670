import type { Test } from 'tap'

import { isPodwireError } from '../../src/base/errors/podwire-error.js'
import type { Commit, Store, StoreChange } from '../../src/control-plane/store/store.js'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString()

const put = (key: string, value: string, expect?: number): Commit => ({
  expect: expect === undefined ? [] : [{ key, revision: expect }],
  changes: [{ type: 'put', key, value: bytes(value) }],
})
const remove = (key: string): Commit => ({ expect: [], changes: [{ type: 'delete', key }] })

async function commit(store: Store, wanted: Commit): Promise<number> {
  const result = await store.commit(wanted)
  if (!result.committed) throw new Error(`the comparison of ${result.key} was lost`)
  return result.revision
}

/** What a list shows, as `key=value@modRevision`. */
async function listed(store: Store, prefix: string, revision?: number): Promise<string[]> {
  const { entries } = await store.list(prefix, revision === undefined ? {} : { revision })
  return entries.map(({ key, value, modRevision }) => `${key}=${text(value)}@${modRevision}`)
}

/** The first `count` changes of a watch, as `revision key before→after`. */
async function watched(store: Store, { prefix, after, count }: { prefix: string; after: number; count: number }): Promise<string[]> {
  const abort = new AbortController()
  const seen: string[] = []
  for await (const change of store.watch(prefix, after, abort.signal)) {
    seen.push(...describe(change))
    if (seen.length >= count) abort.abort()
  }
  return seen
}

const describe = ({ revision, events }: StoreChange): string[] =>
  events.map(({ key, current, previous }) => `${revision} ${key} ${text(previous?.value) ?? '-'}→${text(current?.value) ?? '-'}`)

/** The contract of `Store`: every implementation passes each row, starting from an empty store. */
export const storeContract: Record<string, (t: Test, store: Store) => Promise<void>> = {
  async 'one revision counts the commits of all keys'(t, store) {
    t.equal(store.revision, 0)
    t.equal(await commit(store, put('/a/1', 'x')), 1)
    t.equal(await commit(store, put('/b/1', 'y')), 2)
    t.equal(await commit(store, put('/a/1', 'z')), 3)
    const entry = await store.get('/a/1')
    t.match({ ...entry, value: text(entry?.value) }, { value: 'z', createRevision: 1, modRevision: 3 })
    t.equal(await store.get('/a/2'), undefined)
  },

  async 'a commit applies all its changes or none'(t, store) {
    await commit(store, put('/a', '1'))
    const lost = await store.commit({
      expect: [
        { key: '/b', revision: 0 },
        { key: '/a', revision: 7 },
      ],
      changes: [
        { type: 'put', key: '/b', value: bytes('2') },
        { type: 'delete', key: '/a' },
      ],
    })
    t.match(lost, { committed: false, key: '/a', found: { modRevision: 1 } })
    t.strictSame(await listed(store, '/'), ['/a=1@1'])
    await commit(store, {
      expect: [
        { key: '/b', revision: 0 },
        { key: '/a', revision: 1 },
      ],
      changes: [
        { type: 'put', key: '/b', value: bytes('2') },
        { type: 'delete', key: '/a' },
      ],
    })
    t.strictSame(await listed(store, '/'), ['/b=2@2'])
  },

  async 'deleting what is not there makes no revision'(t, store) {
    await commit(store, put('/a', '1'))
    t.equal(await commit(store, remove('/b')), 1)
    t.equal(store.revision, 1)
  },

  async 'of many writers that expect the same revision one wins'(t, store) {
    const results = await Promise.all(Array.from({ length: 64 }, (_, i) => store.commit(put('/a', `${i}`, 0))))
    t.equal(results.filter(({ committed }) => committed).length, 1)
    t.equal(store.revision, 1)
  },

  async 'a counter under contention loses no increment'(t, store) {
    const increment = async (): Promise<void> => {
      for (;;) {
        const entry = await store.get('/counter')
        const next = put('/counter', `${Number(text(entry?.value) ?? 0) + 1}`, entry?.modRevision ?? 0)
        if ((await store.commit(next)).committed) return
      }
    }
    await Promise.all(Array.from({ length: 20 }, increment))
    t.equal(text((await store.get('/counter'))?.value), '20')
  },

  async 'lists keep key order, prefix, limit and place'(t, store) {
    for (const key of ['/a/3', '/a/1', '/b/1', '/a/2', '/a0']) await commit(store, put(key, 'v'))
    t.strictSame(
      (await store.list('/a/')).entries.map(({ key }) => key),
      ['/a/1', '/a/2', '/a/3'],
    )
    const first = await store.list('/a/', { limit: 2 })
    t.match(first, { revision: 5, remaining: 1 })
    const rest = await store.list('/a/', { limit: 2, after: '/a/2', revision: first.revision })
    t.strictSame(
      rest.entries.map(({ key }) => key),
      ['/a/3'],
    )
    t.equal(rest.remaining, 0)
  },

  async 'a list at a revision shows that revision'(t, store) {
    await commit(store, put('/a', '1'))
    await commit(store, put('/b', '1'))
    await commit(store, put('/a', '2'))
    await commit(store, remove('/b'))
    await commit(store, put('/c', '1'))
    await commit(store, put('/b', '9'))
    t.strictSame(await listed(store, '/', 1), ['/a=1@1'])
    t.strictSame(await listed(store, '/', 2), ['/a=1@1', '/b=1@2'])
    t.strictSame(await listed(store, '/', 4), ['/a=2@3'])
    t.strictSame(await listed(store, '/'), ['/a=2@3', '/b=9@6', '/c=1@5'])
  },

  async 'a watch tells the past after its revision, then the present, once and in order'(t, store) {
    await commit(store, put('/a', '1'))
    await commit(store, put('/a', '2'))
    const seen = watched(store, { prefix: '/', after: 1, count: 4 })
    await commit(store, put('/b', '1'))
    await commit(store, remove('/a'))
    await commit(store, put('/a', '3'))
    t.strictSame(await seen, ['2 /a 1→2', '3 /b -→1', '4 /a 2→-', '5 /a -→3'])
  },

  async 'a watch hears of its prefix only, and of a commit as a whole'(t, store) {
    const seen = watched(store, { prefix: '/a/', after: 0, count: 2 })
    await commit(store, put('/b/1', '1'))
    await commit(store, {
      expect: [],
      changes: ['/a/1', '/b/2', '/a/2'].map(key => ({ type: 'put', key, value: bytes('v') })),
    })
    t.strictSame(await seen, ['2 /a/1 -→v', '2 /a/2 -→v'])
  },

  async 'list, then watch from the list, misses and repeats nothing while 200 commits arrive'(t, store) {
    const writer = async (): Promise<void> => {
      for (let i = 0; i < 200; i++) await commit(store, i % 3 === 2 ? remove(`/k/${i - 1}`) : put(`/k/${i}`, `${i}`))
      await commit(store, put('/k/end', ''))
    }
    const reader = async (_: unknown, i: number): Promise<Map<string, string | undefined>> => {
      for (let turn = 0; turn < i; turn++) await commit(store, put(`/start/${i}`, `${turn}`))
      const { revision, entries } = await store.list('/k/')
      const copy = new Map(entries.map(({ key, value }) => [key, text(value)]))
      const abort = new AbortController()
      for await (const { events } of store.watch('/k/', revision, abort.signal)) {
        for (const { key, current } of events) {
          if (current) copy.set(key, text(current.value))
          else if (!copy.delete(key)) t.fail(`${key} was deleted twice`)
          if (key === '/k/end') abort.abort()
        }
      }
      return copy
    }
    const [, ...copies] = await Promise.all([writer(), ...Array.from({ length: 5 }, reader)])
    const { entries } = await store.list('/k/')
    const truth = new Map(entries.map(({ key, value }) => [key, text(value)]))
    t.equal(truth.size, 69)
    for (const copy of copies) t.strictSame(copy, truth)
  },

  async 'an aborted watch ends'(t, store) {
    const abort = new AbortController()
    const ended = (async () => {
      for await (const _ of store.watch('/', 0, abort.signal)) t.fail('nothing was written')
    })()
    abort.abort()
    await ended
    t.pass('the loop ended')
  },

  async 'compaction refuses older lists and watches, and keeps the rest'(t, store) {
    for (let i = 1; i <= 5; i++) await commit(store, put('/a', `${i}`))
    await store.compact(3)
    t.equal(store.compactedRevision, 3)
    const tooOld = (error: unknown): boolean => isPodwireError(error, 'REVISION_TOO_OLD')
    t.ok(tooOld(await store.list('/', { revision: 2 }).catch((error: unknown) => error)), 'list at 2')
    t.ok(tooOld(await watched(store, { prefix: '/', after: 2, count: 1 }).catch((error: unknown) => error)), 'watch from 2')
    t.strictSame(await listed(store, '/', 3), ['/a=3@3'])
    t.strictSame(await watched(store, { prefix: '/', after: 3, count: 2 }), ['4 /a 3→4', '5 /a 4→5'])
    t.strictSame(await listed(store, '/'), ['/a=5@5'])
  },

  async 'values are kept byte for byte'(t, store) {
    const value = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31) % 256)
    await commit(store, { expect: [], changes: [{ type: 'put', key: '/bytes', value }] })
    t.ok(Buffer.from((await store.get('/bytes'))!.value).equals(value))
  },
}
