import type { ContainerStatus, Pod } from '../../api/generated/types.js'
import { PodwireError } from '../../base/errors/podwire-error.js'

/** The status of a container of any sort. */
export const containerStatusOf = ({ status }: Pod, name: string): ContainerStatus | undefined =>
  [status?.containerStatuses, status?.initContainerStatuses, status?.ephemeralContainerStatuses]
    .flatMap(statuses => statuses ?? [])
    .find(container => container.name === name)

/**
 * The runtime's id of the container instance whose log is meant: the one that runs, else the last one that did; with `previous` the one before.
 * Errors: NOT_FOUND with upstream's words when there is none.
 */
export function logInstance(pod: Pod, name: string, previous: boolean): string {
  const what = `container ${JSON.stringify(name)} in pod ${JSON.stringify(pod.metadata?.name)}`
  const none = (message: string) => new PodwireError('NOT_FOUND', message)
  const status = containerStatusOf(pod, name)
  if (!status) throw none(`${what} is not available`)
  const { waiting, running, terminated } = status.state ?? {}
  const last = idIn(status.lastState?.terminated?.containerID)
  if (previous) {
    if (last === undefined) throw none(`previous terminated ${what} not found`)
    return last
  }
  if (running) return idIn(status.containerID) ?? ''
  if (terminated) {
    const id = idIn(terminated.containerID) ?? last
    if (id === undefined) throw none(`${what} is terminated`)
    return id
  }
  if (last !== undefined) return last
  if (!waiting?.reason) throw none(`${what} is waiting to start - no logs yet`)
  throw none(`${what} is waiting to start: ${waitingWords(waiting.reason)}`)
}

/** Upstream says these two in words and all other reasons as they are. */
const waitingWords = (reason: string): string =>
  reason === 'ErrImagePull' ? "image can't be pulled" : reason === 'ImagePullBackOff' ? 'trying and failing to pull image' : reason

/** `containerd://ID` without its scheme. */
const idIn = (containerId: string | undefined): string | undefined => containerId?.split('://')[1] || undefined
