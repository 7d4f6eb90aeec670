import type { Pod } from '../../api/generated/types.js'
import type { Informer } from '../../client/informer.js'
import { identityOf, keyOf } from './pod-identity.js'
import type { PodParts } from './pod-parts.js'
import type { PodIdentity, RuntimePodSummary } from './pod-runtime.js'
import { type PodWorker, startPodWorker } from './pod-worker.js'

/** The workers of all Pods that the API or the runtime knows of. */
export interface PodWorkers {
  /** The Pod of this key has changed in the API. */
  podChanged(key: string): void
  kick(podUid: string): void
  /** What the runtime holds now: Pods that have changed are looked at, Pods that the API does not know are ended. */
  relisted(pods: readonly RuntimePodSummary[]): void
  /** Ends what is left of a Pod that only its files show. */
  removeLeftover(podUid: string): void
  knows(podUid: string): boolean
  /** Resolves when every worker has ended. */
  settled(): Promise<void>
}

export function createPodWorkers(parts: () => PodParts, pods: Informer<Pod>, signal: AbortSignal): PodWorkers {
  const workers = new Map<string, PodWorker>()
  const fingerprints = new Map<string, string>()

  function start(identity: PodIdentity, pod: Pod | undefined): void {
    const twins = [...workers.values()].filter(worker => keyOf(worker.identity) === keyOf(identity))
    const after = Promise.all(twins.map(({ done }) => done)).then(() => {})
    const worker = startPodWorker(parts(), { identity, pod, after }, signal)
    workers.set(identity.uid, worker)
    worker.done.then(
      () => workers.delete(identity.uid),
      () => {}, // The kubelet has been told by its signal.
    )
  }

  return {
    podChanged(key) {
      const pod = pods.get(key)
      for (const worker of workers.values()) {
        if (keyOf(worker.identity) === key) worker.update(worker.identity.uid === pod?.metadata?.uid ? pod : undefined)
      }
      if (pod && !workers.has(identityOf(pod).uid)) start(identityOf(pod), pod)
    },
    kick: podUid => workers.get(podUid)?.kick(),
    relisted(found) {
      for (const { fingerprint, ...identity } of found) {
        if (!workers.has(identity.uid)) start(identity, undefined)
        else if (fingerprints.get(identity.uid) !== fingerprint) workers.get(identity.uid)?.kick()
        fingerprints.set(identity.uid, fingerprint)
      }
      const uids = new Set(found.map(({ uid }) => uid))
      for (const uid of fingerprints.keys()) {
        if (uids.has(uid)) continue
        fingerprints.delete(uid)
        workers.get(uid)?.kick()
      }
    },
    removeLeftover: uid => start({ uid, namespace: '', name: '' }, undefined),
    knows: podUid => workers.has(podUid),
    settled: async () => {
      await Promise.all([...workers.values()].map(({ done }) => done))
    },
  }
}
