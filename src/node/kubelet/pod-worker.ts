import type { Pod } from '../../api/generated/types.js'
import { createBackOff } from './back-off.js'
import { keyOf } from './pod-identity.js'
import type { PodParts } from './pod-parts.js'
import type { PodIdentity } from './pod-runtime.js'
import type { Grace } from './stop-containers.js'
import { emptyMemory, syncPod } from './sync-pod.js'
import { terminatePod } from './terminate-pod.js'
import { createWake } from './wake.js'

/** One Pod's life on this node, one step at a time, from its first sandbox until nothing of it is left. */
export interface PodWorker {
  readonly identity: PodIdentity
  /** The Pod as the API has it now; undefined when it is gone from there. */
  update(pod: Pod | undefined): void
  /** Something of the Pod has changed in the runtime or in what it refers to. */
  kick(): void
  /** Resolves when nothing of the Pod is left on the node, or when aborted. */
  readonly done: Promise<void>
}

export interface PodWorkerOptions {
  readonly identity: PodIdentity
  readonly pod: Pod | undefined
  /** Another Pod of the same name that has to be gone first: the name is also the name of its interface. */
  readonly after: Promise<void>
}

/** A Pod that was removed by force has no grace period that anybody could know. */
const forcedGraceSeconds = 1

export function startPodWorker(parts: PodParts, { identity, pod: first, after }: PodWorkerOptions, signal: AbortSignal): PodWorker {
  const { clock, log } = parts
  const wake = createWake(clock)
  const memory = emptyMemory()
  const failures = createBackOff({ firstMs: 250, longestMs: 10_000, clock })
  let pod = first
  let isTerminating = false
  let shortened = new AbortController()
  /** Aborts what is being done for a Pod that shall run, when it shall not any more. */
  const unwanted = new AbortController()
  const isUnwanted = () => pod === undefined || pod.metadata?.deletionTimestamp !== undefined
  wake.kick()

  const graceSeconds = (): number =>
    pod ? (pod.metadata?.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30) : forcedGraceSeconds
  const grace: Grace = { seconds: graceSeconds, shortened: () => shortened.signal }

  async function step(): Promise<number | 'gone'> {
    isTerminating ||= isUnwanted()
    if (!isTerminating && pod) return syncPod(parts, pod, memory, AbortSignal.any([signal, unwanted.signal]))
    await terminatePod(parts, { identity, pod, grace, memory }, signal)
    return 'gone'
  }

  async function run(): Promise<void> {
    await after
    for (let waitMs = 0; ; ) {
      await wake.wait(waitMs, signal)
      try {
        const next = await step()
        if (next === 'gone') return
        failures.forget(identity.uid)
        waitMs = next
      } catch (error) {
        signal.throwIfAborted()
        if (!isTerminating && isUnwanted()) {
          waitMs = 0
          continue
        }
        failures.note(identity.uid)
        waitMs = failures.lengthMs(identity.uid)
        log.warn({ pod: keyOf(identity), uid: identity.uid, error: String(error), retryMs: waitMs }, 'Pod could not be brought up to date')
      }
    }
  }

  return {
    identity,
    update(next) {
      const before = graceSeconds()
      pod = next
      if (graceSeconds() < before) {
        shortened.abort()
        shortened = new AbortController()
      }
      if (isUnwanted()) unwanted.abort()
      wake.kick()
    },
    kick: wake.kick,
    done: run().catch(error => {
      if (!signal.aborted) throw error
    }),
  }
}
