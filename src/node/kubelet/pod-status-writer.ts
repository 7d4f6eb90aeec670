import { isDeepStrictEqual } from 'node:util'

import { pods } from '../../api/generated/resources.js'
import type { Pod, PodStatus } from '../../api/generated/types.js'
import { isPodReady } from '../../api/pod-state.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { Client } from '../../client/client.js'

/** Publishes the statuses of Pods: the newest wins, one request a Pod at a time, nothing when nothing has changed. */
export interface PodStatusWriter {
  /** Does not wait. */
  write(pod: Pod, status: PodStatus): void
  /**
   * Takes note of the Pod as the API shows it. The node controller calls the Pods of a silent node not ready; a node that is back knows
   * better, and its next `write` says so.
   */
  seen(pod: Pod): void
  /** The status written last, published or on its way. */
  written(podUid: string): PodStatus | undefined
  /** Resolves when what was written has been published or refused. */
  flush(podUid: string): Promise<void>
  forget(podUid: string): void
}

export interface PodStatusWriterOptions {
  readonly client: Client
  /** Called when a status could not be published; it is tried again with the next write. */
  readonly onFailure: (podUid: string, error: unknown) => void
}

interface Entry {
  wanted: PodStatus
  published: PodStatus | undefined
  sending: Promise<void> | undefined
}

export function createPodStatusWriter({ client, onFailure }: PodStatusWriterOptions, signal: AbortSignal): PodStatusWriter {
  const entries = new Map<string, Entry>()

  async function send(pod: Pod, entry: Entry): Promise<void> {
    const { name = '', namespace, uid = '' } = pod.metadata ?? {}
    await Promise.resolve() // `sending` is set before it can be unset.
    while (!isDeepStrictEqual(entry.wanted, entry.published)) {
      const status = entry.wanted
      try {
        // The UID keeps a status from reaching another Pod of the same name.
        const body = { metadata: { uid }, status: withRemovals(status, entry.published ?? pod.status ?? {}) }
        await client.patch(pods, { namespace, name }, body, { type: 'merge', subresource: 'status' }, signal)
      } catch (error) {
        if (!isPodwireError(error, 'NOT_FOUND') && !isPodwireError(error, 'CONFLICT')) {
          entry.sending = undefined
          onFailure(uid, error)
          return
        }
      }
      entry.published = status
    }
    // Here and not when the promise has settled: a status written between the two would be lost.
    entry.sending = undefined
  }

  return {
    write(pod, status) {
      const uid = pod.metadata?.uid ?? ''
      const entry = entries.get(uid) ?? { wanted: status, published: pod.status, sending: undefined }
      entries.set(uid, entry)
      entry.wanted = status
      entry.sending ??= send(pod, entry)
    },
    seen(pod) {
      const entry = entries.get(pod.metadata?.uid ?? '')
      const isChangedByOthers =
        entry?.published && entry.sending === undefined && isPodReady(pod) !== isPodReady({ status: entry.published })
      if (isChangedByOthers) entry.published = pod.status
    },
    written: podUid => entries.get(podUid)?.wanted,
    flush: async podUid => entries.get(podUid)?.sending,
    forget: podUid => entries.delete(podUid),
  }
}

/** A merge patch removes a field by null. */
function withRemovals(status: PodStatus, before: PodStatus): object {
  const removed = Object.keys(before).filter(key => !(key in status) && ours.has(key))
  return { ...status, ...Object.fromEntries(removed.map(key => [key, null])) }
}

/** The fields of a status that only a kubelet writes. */
const ours: ReadonlySet<string> = new Set(['podIP', 'podIPs', 'reason', 'message', 'initContainerStatuses'])
