import type { Container, Pod } from '../../api/generated/types.js'
import { runLifecycleHook } from './lifecycle-hook.js'
import type { PodParts } from './pod-parts.js'
import { isSidecar } from './pod-plan.js'
import type { RuntimeContainer, RuntimePod } from './pod-runtime.js'

/** How long containers may take to end; it can become shorter while they do. */
export interface Grace {
  readonly seconds: () => number
  /** Aborts when `seconds` has become less than it was. */
  readonly shortened: () => AbortSignal
}

export const fixedGrace = (seconds: number): Grace => {
  const never = new AbortController().signal
  return { seconds: () => seconds, shortened: () => never }
}

/** Upstream's kubelet leaves a container this long to end even when its hook has used up the grace period. */
const leastAfterHookSeconds = 2

interface StopInput {
  /** Undefined for what is left of a Pod that the API does not know any more. */
  readonly pod: Pod | undefined
  readonly container: RuntimeContainer
  readonly ip: string
  readonly grace: Grace
  readonly message: string
}

/** Runs the container's preStop hook, then SIGTERM, then SIGKILL when its grace is over; resolves when it has ended. */
export async function stopContainer(
  parts: PodParts,
  { pod, container, ip, grace, message }: StopInput,
  signal: AbortSignal,
): Promise<void> {
  const { runtime, clock, record } = parts
  const startedAtMs = clock.now()
  const description = pod && descriptionOf(pod, container.name)
  if (pod) record(pod, { type: 'Normal', reason: 'Killing', message })
  const hook = description?.lifecycle?.preStop
  if (hook && description && container.state === 'running' && grace.seconds() > 0) {
    const limit = AbortSignal.any([signal, grace.shortened()])
    const target = { container: description, containerId: container.id, ip }
    const input = { target, timeoutSeconds: grace.seconds(), runtime, clock }
    const result = await runLifecycleHook(hook, input, limit).catch(error => {
      signal.throwIfAborted()
      return { isSuccess: false, message: (error as Error).message }
    })
    if (!result.isSuccess && pod) {
      const news = `PreStopHook failed: ${result.message}`
      record(pod, { type: 'Warning', reason: 'FailedPreStopHook', message: news })
    }
  }
  for (;;) {
    const shortened = grace.shortened()
    const usedSeconds = (clock.now() - startedAtMs) / 1000
    const left =
      hook && grace.seconds() > 0 ? Math.max(leastAfterHookSeconds, grace.seconds() - usedSeconds) : grace.seconds() - usedSeconds
    try {
      await runtime.stopContainer(container.id, Math.max(0, Math.ceil(left)), AbortSignal.any([signal, shortened]))
      return
    } catch (error) {
      if (signal.aborted || !shortened.aborted) throw error
    }
  }
}

/** Ends all running containers of a Pod: the main ones together, then the sidecars from the last to the first. */
export async function stopAllContainers(
  parts: PodParts,
  { pod, observed, grace }: { readonly pod: Pod | undefined; readonly observed: RuntimePod; readonly grace: Grace },
  signal: AbortSignal,
): Promise<void> {
  const running = observed.containers.filter(({ state }) => state === 'running' || state === 'unknown')
  const ip = observed.sandboxes[0]?.ips[0] ?? parts.config.nodeAddress
  const stop = (container: RuntimeContainer) =>
    stopContainer(parts, { pod, container, ip, grace, message: `Stopping container ${container.name}` }, signal)
  const sidecars = (pod?.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name)
  await Promise.all(running.filter(({ name }) => !sidecars.includes(name)).map(stop))
  for (const name of sidecars.toReversed()) await Promise.all(running.filter(container => container.name === name).map(stop))
}

export const descriptionOf = (pod: Pod, name: string): Container | undefined =>
  [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find(container => container.name === name)
