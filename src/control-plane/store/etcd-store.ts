import { isPodwireError, PodwireError } from '../../base/errors/podwire-error.js'
import { systemClock } from '../../base/time/clock.js'
import { connectEtcd, type EtcdAddress } from './etcd-connection.js'
import type { EtcdEvent, EtcdKeyValue, EtcdRangeResponse, EtcdStatusResponse, EtcdTxnResponse, EtcdWatchResponse } from './etcd-protocol.js'
import type { Change, Commit, CommitResult, ListRange, Store, StoreChange, StoredEntry, StoredList, StoreEvent } from './store.js'

const reconnectMs = { first: 50, longest: 1000 }

/**
 * The store in an etcd cluster, for any number of servers at once. The etcd is podwire's own: revisions count all its keys, so a
 * stranger's writes would move them too.
 */
export async function openEtcdStore(address: EtcdAddress): Promise<Store> {
  const etcd = await connectEtcd(address)
  const closing = new AbortController()
  let revision = 0
  let compacted = 0
  let asking: Promise<number> | undefined
  let next: Promise<number> | undefined

  const seen = <T extends { readonly header: { readonly revision: number } }>(response: T): T => {
    revision = Math.max(revision, response.header.revision)
    return response
  }

  const range = async (request: object): Promise<EtcdRangeResponse> => seen(await etcd.call<EtcdRangeResponse>('range', request))

  /** Counting a key that never is costs etcd nothing but the agreement of its members. */
  const ask = async (): Promise<number> => (await range({ key: bytesOf('\0'), count_only: true })).header.revision

  /** Whoever asks while a question is under way shares the next one: the answer to the first may be older than the question. */
  function newest(): Promise<number> {
    if (!asking) {
      asking = ask().finally(() => {
        asking = undefined
      })
      return asking
    }
    next ??= asking
      .catch(() => undefined)
      .then(() => {
        next = undefined
        return newest()
      })
    return next
  }

  const isKept = (at: number): Promise<boolean> =>
    range({ key: bytesOf('\0'), revision: at, count_only: true }).then(
      () => true,
      (error: unknown) => {
        if (isPodwireError(error, 'REVISION_TOO_OLD')) return false
        throw error
      },
    )

  /** The oldest revision kept, found by halving: etcd says whether a revision is gone, not which ones are there. */
  async function findCompacted(): Promise<number> {
    let kept = await newest()
    if (await isKept(1)) return 0
    let gone = 1
    while (kept - gone > 1) {
      const middle = Math.floor((gone + kept) / 2)
      if (await isKept(middle)) kept = middle
      else gone = middle
    }
    return kept
  }

  async function list(prefix: string, { revision: at = 0, after, limit = 0 }: ListRange = {}): Promise<StoredList> {
    if (at > revision && at > (await newest())) {
      throw new PodwireError('CONFLICT', `revision ${at} is in the future; the newest is ${revision}`)
    }
    const key = after === undefined ? bytesOf(prefix) : bytesOf(`${after}\0`)
    const { header, kvs, count } = await range({ key, range_end: endOf(prefix), revision: at, limit: Number.isFinite(limit) ? limit : 0 })
    return { revision: at || header.revision, entries: kvs.map(entryOf), remaining: count - kvs.length }
  }

  async function commit({ expect, changes }: Commit): Promise<CommitResult> {
    if (closing.signal.aborted) throw new PodwireError('ABORTED', 'the store is closed')
    const { header, succeeded, responses } = seen(
      await etcd.call<EtcdTxnResponse>('txn', {
        compare: expect.map(({ key, revision }) => ({ target: 'MOD', key: bytesOf(key), mod_revision: revision })),
        success: changes.map(operationOf),
        failure: expect.map(({ key }) => ({ request_range: { key: bytesOf(key) } })),
      }),
    )
    if (succeeded) return { committed: true, revision: header.revision }
    for (const [i, { key, revision: wanted }] of expect.entries()) {
      const found = responses[i]?.response_range?.kvs[0]
      if ((found?.mod_revision ?? 0) !== wanted) return { committed: false, key, found: found && entryOf(found) }
    }
    throw new PodwireError('INTERNAL', 'etcd refused a commit whose comparisons all hold')
  }

  async function* watch(prefix: string, after: number, until: AbortSignal): AsyncGenerator<StoreChange> {
    const signal = AbortSignal.any([until, closing.signal])
    let last = after
    let waitMs = reconnectMs.first
    while (!signal.aborted) {
      try {
        // From the last revision seen, not the one after it: etcd forgets deletions at the very revision it compacts to, and then only
        // refuses watches from before it.
        for await (const response of etcd.watch(watchRequest(prefix, Math.max(last, 1)), signal)) {
          if (response.canceled) throw refusalOf(response, last)
          for (const change of changesOf(response.events)) {
            if (change.revision <= last) continue
            if (signal.aborted) return
            last = change.revision
            revision = Math.max(revision, last)
            yield change
          }
          waitMs = reconnectMs.first
        }
      } catch (error) {
        if (!isPodwireError(error, 'STORE_UNAVAILABLE')) throw error
      }
      await systemClock.sleep(waitMs, signal).catch(() => undefined) // Only the signal ends a sleep early.
      waitMs = Math.min(waitMs * 2, reconnectMs.longest)
    }
  }

  function refusalOf({ compact_revision, cancel_reason }: EtcdWatchResponse, from: number): PodwireError {
    if (compact_revision === 0) return new PodwireError('STORE_UNAVAILABLE', `etcd ended a watch: ${cancel_reason}`)
    compacted = Math.max(compacted, compact_revision)
    return new PodwireError('REVISION_TOO_OLD', `revision ${from} has been compacted; the oldest kept is ${compact_revision}`)
  }

  try {
    compacted = await findCompacted()
  } catch (error) {
    etcd.close()
    throw error
  }

  return {
    get revision() {
      return revision
    },
    get compactedRevision() {
      return compacted
    },
    newest,
    async get(key) {
      const [found] = (await range({ key: bytesOf(key) })).kvs
      return found && entryOf(found)
    },
    list,
    commit,
    watch,
    async compact(wanted) {
      const target = Math.min(wanted, await newest())
      if (target <= compacted) return
      try {
        await etcd.call('compact', { revision: target })
        compacted = Math.max(compacted, target)
      } catch (error) {
        // Another server of this etcd was faster.
        if (!isPodwireError(error, 'REVISION_TOO_OLD')) throw error
        compacted = await findCompacted()
      }
    },
    async size() {
      const { dbSize, dbSizeInUse } = await etcd.call<EtcdStatusResponse>('status', {})
      return { bytes: dbSize, usedBytes: dbSizeInUse }
    },
    async close() {
      closing.abort()
      await asking?.catch(() => undefined)
      etcd.close()
    },
  }
}

const bytesOf = (text: string): Buffer => Buffer.from(text)

/** The first key after all that start with `prefix`: etcd's ranges end before it. */
function endOf(prefix: string): Buffer {
  const end = bytesOf(prefix)
  end[end.length - 1]! += 1
  return end
}

const watchRequest = (prefix: string, from: number): object => ({
  create_request: { key: bytesOf(prefix), range_end: endOf(prefix), start_revision: from, prev_kv: true },
})

const operationOf = (change: Change): object =>
  change.type === 'put'
    ? { request_put: { key: bytesOf(change.key), value: change.value } }
    : { request_delete_range: { key: bytesOf(change.key) } }

const entryOf = ({ key, value, create_revision, mod_revision }: EtcdKeyValue): StoredEntry => ({
  key: key.toString(),
  value,
  createRevision: create_revision,
  modRevision: mod_revision,
})

/** etcd sends the events of one revision together, so a change is never cut in two. */
function changesOf(events: readonly EtcdEvent[]): StoreChange[] {
  const changes: { readonly revision: number; readonly events: StoreEvent[] }[] = []
  for (const { type, kv, prev_kv } of events) {
    if (changes.at(-1)?.revision !== kv.mod_revision) changes.push({ revision: kv.mod_revision, events: [] })
    const current = type === 'PUT' ? entryOf(kv) : undefined
    changes.at(-1)!.events.push({ key: kv.key.toString(), current, previous: prev_kv ? entryOf(prev_kv) : undefined })
  }
  return changes
}
