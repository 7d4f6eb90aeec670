import type { Store } from './store.js'

/** Upstream forgets what is older than two of these (kube-apiserver --etcd-compaction-interval). */
const everyMs = 5 * 60_000
const lookEveryMs = 10_000
/** So much the store may grow since the last turn before the next one comes early. */
const growthBytes = 256 * 1024 * 1024

export interface CompactionOptions {
  readonly everyMs?: number
  readonly lookEveryMs?: number
  readonly growthBytes?: number
  readonly onError: (error: unknown) => void
}

/**
 * Forgets at each turn what was current at the one before, so that nobody who keeps up is sent back to the beginning. A turn comes
 * every five minutes, and earlier when much is written. Returns the way to stop it.
 */
export function startCompaction(store: Store, options: CompactionOptions): () => void {
  const { onError } = options
  const limits = { everyMs, lookEveryMs, growthBytes, ...options }
  let next = store.revision
  let turnAt = Date.now()
  let bytesThen: number | undefined

  async function look(): Promise<void> {
    const { usedBytes } = await store.size()
    bytesThen ??= usedBytes
    if (Date.now() - turnAt < limits.everyMs && usedBytes - bytesThen < limits.growthBytes) return
    const target = next
    next = store.revision
    turnAt = Date.now()
    await store.compact(target)
    bytesThen = (await store.size()).usedBytes
  }

  let timer: NodeJS.Timeout
  const lookAgain = (): void => {
    timer = setTimeout(() => void look().catch(onError).finally(lookAgain), limits.lookEveryMs).unref()
  }
  lookAgain()
  return () => clearTimeout(timer)
}
