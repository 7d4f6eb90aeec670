import type { ApiResource } from '../api/api-resource.js'
import type { Deployment } from '../api/generated/types.js'
import { PodwireError } from '../base/errors/podwire-error.js'
import type { Client } from '../client/client.js'

export interface WaitOptions {
  readonly resource: ApiResource<Deployment>
  /** Called with what is still awaited, whenever that changes. */
  readonly onWaiting: (text: string) => void
}

/** Resolves when every Deployment of the cluster has all its replicas available. Errors: TIMED_OUT, with what was seen last, when `signal` aborts by time. */
export async function waitForDeployments(client: Client, { resource, onWaiting }: WaitOptions, signal: AbortSignal): Promise<void> {
  const waiting = new Map<string, string>()
  const note = (deployment: Deployment) => {
    const { metadata, spec, status } = deployment
    const key = `${metadata?.namespace}/${metadata?.name}`
    const wanted = spec?.replicas ?? 1
    const available = isObserved(deployment) ? Math.min(status?.availableReplicas ?? 0, status?.updatedReplicas ?? 0) : 0
    if (available >= wanted) waiting.delete(key)
    else waiting.set(key, `${key} (${available} of ${wanted})`)
  }
  try {
    for (;;) {
      const list = await client.list(resource, {}, signal)
      waiting.clear()
      for (const deployment of list.items) note(deployment)
      if (waiting.size === 0) return
      onWaiting(`waiting for ${[...waiting.values()].join(', ')}`)
      const from = list.metadata.resourceVersion
      for await (const event of client.watch(resource, from === undefined ? {} : { resourceVersion: from }, signal)) {
        if (event.type === 'BOOKMARK') continue
        if (event.type === 'DELETED') waiting.delete(`${event.object.metadata?.namespace}/${event.object.metadata?.name}`)
        else note(event.object)
        if (waiting.size === 0) return
        onWaiting(`waiting for ${[...waiting.values()].join(', ')}`)
      }
    }
  } catch (error) {
    if (signal.aborted && signal.reason instanceof Error && signal.reason.name === 'TimeoutError') {
      const message = `Deployments are not available in time: ${[...waiting.values()].join(', ')}`
      throw new PodwireError('TIMED_OUT', message, { hint: 'kubectl get pods -A; ./podwire logs NODE', cause: error })
    }
    throw error
  }
}

const isObserved = ({ metadata, status }: Deployment): boolean => (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0)
