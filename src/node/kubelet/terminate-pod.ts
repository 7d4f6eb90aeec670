import { rm } from 'node:fs/promises'

import { pods } from '../../api/generated/resources.js'
import type { Pod } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { podCgroup, podLogDir } from './kubelet-config.js'
import type { PodParts } from './pod-parts.js'
import type { PodIdentity } from './pod-runtime.js'
import { type Grace, stopAllContainers } from './stop-containers.js'
import { observePod, type PodMemory, publish, withWrittenStatus } from './sync-pod.js'

export interface Termination {
  readonly identity: PodIdentity
  /** Undefined when the API does not know the Pod any more. */
  readonly pod: Pod | undefined
  readonly grace: Grace
  readonly memory: PodMemory
}

/**
 * Ends a Pod and removes all that it had on the node; only then its object is removed from the API, so a Pod that is gone from the API
 * has no process, network or volume left. May be repeated from the start at any time.
 */
export async function terminatePod(parts: PodParts, { identity, pod, grace, memory }: Termination, signal: AbortSignal): Promise<void> {
  const { runtime, prober, volumes, removeCgroup, statuses, objects, tokens, config, client } = parts
  const observe = async () => (pod ? observePod(parts, pod, memory, signal) : runtime.observe(identity, signal))
  const observed = await observe()
  await stopAllContainers(parts, { pod, observed, grace }, signal)
  prober.sync(identity.uid, [])
  await Promise.all(observed.sandboxes.map(({ id }) => runtime.stopSandbox(id, signal)))
  if (pod) publish(parts, withWrittenStatus(parts, pod), await observe(), memory)
  await Promise.all(observed.sandboxes.map(({ id }) => runtime.removeSandbox(id, signal)))
  await Promise.all([
    volumes.remove(identity.uid, signal),
    removeCgroup(podCgroup(config, identity.uid), signal),
    rm(podLogDir(config, identity), { recursive: true, force: true }),
  ])
  objects.release(identity.uid)
  tokens.release(identity.uid)
  await statuses.flush(identity.uid)
  if (pod) await removeObject()
  statuses.forget(identity.uid)

  async function removeObject(): Promise<void> {
    const { uid, namespace, name } = identity
    try {
      await client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, uid }, signal)
    } catch (error) {
      if (!isPodwireError(error, 'NOT_FOUND') && !isPodwireError(error, 'CONFLICT')) throw error
    }
  }
}
