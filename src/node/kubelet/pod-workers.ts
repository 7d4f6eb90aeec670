import type { Pod } from '../../api/generated/types.js'
import type { Informer } from '../../client/informer.js'
import { createWorkQueue } from '../../reconcile/work-queue.js'
import { identityOf, keyOf } from './pod-identity.js'
import type { PodParts } from './pod-parts.js'
import type { PodIdentity, RuntimePodSummary } from './pod-runtime.js'
import { createPodWorker, type PodWorker } from './pod-worker.js'

/** The workers of all Pods that the API or the runtime knows of. */
export interface PodWorkers {
  /** Works until `signal` aborts and what is under way has ended. */
  run(signal: AbortSignal): Promise<void>
  /** The Pod of this key has changed in the API. */
  podChanged(key: string): void
  /** Something of the Pod has changed in the runtime, or in what it refers to. */
  kick(podUid: string): void
  /** What the runtime holds now: Pods that have changed are looked at, Pods that the API does not know are ended. */
  relisted(pods: readonly RuntimePodSummary[]): void
  /** Ends what is left of a Pod that only its files show. */
  removeLeftover(podUid: string): void
  knows(podUid: string): boolean
}

const retry = { retryMs: 250, longestRetryMs: 10_000 }

/** All Pods are worked on at the same time, each by one step at a time. */
export function createPodWorkers(parts: PodParts, pods: Informer<Pod>): PodWorkers {
  const workers = new Map<string, PodWorker>()
  const fingerprints = new Map<string, string>()
  const queue = createWorkQueue({
    reconcile,
    workers: Number.POSITIVE_INFINITY,
    ...retry,
    clock: parts.clock,
    onError(error, uid) {
      const pod = workers.get(uid)?.identity.name
      parts.log.warn({ pod, uid, error: String(error) }, 'the Pod could not be brought up to date')
    },
  })

  async function reconcile(uid: string, signal: AbortSignal): Promise<void> {
    const worker = workers.get(uid)
    if (!worker || sameName(worker)[0] !== worker) return // An older Pod of that name has to be gone first: it names the interface.
    const next = await worker.step(signal)
    if (next !== 'gone') {
      if (Number.isFinite(next)) queue.addAfter(uid, next)
      return
    }
    workers.delete(uid)
    fingerprints.delete(uid)
    for (const twin of sameName(worker)) queue.add(twin.identity.uid)
  }

  /** Oldest first. */
  const sameName = ({ identity }: PodWorker): readonly PodWorker[] =>
    [...workers.values()].filter(other => keyOf(other.identity) === keyOf(identity))

  function start(identity: PodIdentity, pod: Pod | undefined): void {
    workers.set(identity.uid, createPodWorker(parts, identity, pod))
    queue.add(identity.uid)
  }

  return {
    run: queue.run,
    podChanged(key) {
      const pod = pods.get(key)
      for (const worker of workers.values()) {
        const { identity } = worker
        if (keyOf(identity) !== key) continue
        worker.update(identity.uid === pod?.metadata?.uid ? pod : undefined)
        queue.add(identity.uid)
      }
      if (pod && !workers.has(identityOf(pod).uid)) start(identityOf(pod), pod)
    },
    kick(podUid) {
      if (workers.has(podUid)) queue.add(podUid)
    },
    relisted(found) {
      const uids = new Set(found.map(({ uid }) => uid))
      for (const { fingerprint, uid, namespace, name } of found) {
        if (!workers.has(uid)) start({ uid, namespace, name }, undefined)
        else if (fingerprints.get(uid) !== fingerprint) queue.add(uid)
        fingerprints.set(uid, fingerprint)
      }
      for (const uid of fingerprints.keys()) {
        if (uids.has(uid)) continue
        fingerprints.delete(uid)
        if (workers.has(uid)) queue.add(uid)
      }
    },
    removeLeftover: uid => start({ uid, namespace: '', name: uid }, undefined),
    knows: podUid => workers.has(podUid),
  }
}
