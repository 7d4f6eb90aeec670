import type { Pod } from '../../api/generated/types.js'
import type { PodParts } from './pod-parts.js'
import type { PodIdentity } from './pod-runtime.js'
import type { Grace } from './stop-containers.js'
import { emptyMemory, syncPod } from './sync-pod.js'
import { terminatePod } from './terminate-pod.js'

/** One Pod's life on this node, from its first sandbox until nothing of it is left. */
export interface PodWorker {
  readonly identity: PodIdentity
  /** The Pod as the API has it now; undefined when it is gone from there. */
  update(pod: Pod | undefined): void
  /** Brings the Pod closer to what the API wants; never called twice at a time. Returns when to look again in ms, or that nothing is left. */
  step(signal: AbortSignal): Promise<number | 'gone'>
}

/** A Pod that was removed by force has no grace period that anybody could know. */
const forcedGraceSeconds = 1

export function createPodWorker(parts: PodParts, identity: PodIdentity, first: Pod | undefined): PodWorker {
  const memory = emptyMemory()
  let pod = first
  let isTerminating = false
  let shortened = new AbortController()
  /** Aborts what is being done for a Pod that shall run, when it shall not any more. */
  const unwanted = new AbortController()

  const isUnwanted = (): boolean => pod === undefined || pod.metadata?.deletionTimestamp !== undefined
  const graceSeconds = (): number =>
    pod ? (pod.metadata?.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30) : forcedGraceSeconds
  const grace: Grace = { seconds: graceSeconds, shortened: () => shortened.signal }

  async function sync(wanted: Pod, signal: AbortSignal): Promise<number> {
    try {
      return await syncPod(parts, wanted, memory, AbortSignal.any([signal, unwanted.signal]))
    } catch (error) {
      if (unwanted.signal.aborted) return 0
      throw error
    }
  }

  return {
    identity,
    update(next) {
      const before = graceSeconds()
      pod = next
      if (isUnwanted()) unwanted.abort()
      if (graceSeconds() < before) {
        shortened.abort()
        shortened = new AbortController()
      }
    },
    async step(signal) {
      isTerminating ||= isUnwanted()
      if (!isTerminating && pod) return sync(pod, signal)
      await terminatePod(parts, { identity, pod, grace, memory }, signal)
      return 'gone'
    },
  }
}
