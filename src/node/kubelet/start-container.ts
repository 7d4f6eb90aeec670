import { mkdir } from 'node:fs/promises'

import { configmaps, secrets } from '../../api/generated/resources.js'
import type { Pod } from '../../api/generated/types.js'
import type { ApiObject } from '../../client/client.js'
import { ContainerConfigError } from './container-config-error.js'
import { buildContainerEnv, envReferences } from './container-env.js'
import { prepareMounts } from './container-mounts.js'
import { buildContainerSpec } from './container-spec.js'
import { findImage } from './find-image.js'
import { podDir } from './kubelet-config.js'
import { runLifecycleHook } from './lifecycle-hook.js'
import { identityOf } from './pod-identity.js'
import type { PodParts } from './pod-parts.js'
import type { PlannedStart } from './pod-plan.js'
import type { RuntimeImage, RuntimeSandbox, SandboxSpec } from './pod-runtime.js'
import type { Waiting } from './pod-status.js'
import type { Reference } from './referenced-objects.js'
import { fixedGrace, stopContainer } from './stop-containers.js'

export interface StartInput {
  readonly pod: Pod
  readonly start: PlannedStart
  readonly sandbox: RuntimeSandbox
  readonly sandboxSpec: SandboxSpec
  readonly volumePaths: ReadonlyMap<string, string>
  readonly hostsFile: string
  /** Why the container waits already. */
  readonly before: Waiting | undefined
}

/** Either it runs, or why it does not and after how long it is worth another try. */
export type StartOutcome = { readonly isStarted: true } | { readonly isStarted: false; readonly waiting: Waiting; readonly retryMs: number }

/** When nobody tells that what was missing is there now. */
const configRetryMs = 10_000

/** Starts one container of a Pod unless its back-off or its image says no. */
export async function startContainer(parts: PodParts, input: StartInput, signal: AbortSignal): Promise<StartOutcome> {
  const { crashes, record } = parts
  const { pod, start, before } = input
  const { container, previous } = start
  const { uid, namespace, name } = identityOf(pod)
  const key = `${uid}/${container.name}`

  if (previous) {
    const waitMs = crashes.remainingMs(key, previous.finishedAtMs)
    if (waitMs > 0) {
      const length = `${crashes.lengthMs(key) / 1000}s`
      const message = `back-off ${length} restarting failed container=${container.name} pod=${name}_${namespace}(${uid})`
      const news = `Back-off restarting failed container ${container.name} in pod ${name}`
      if (before?.reason !== 'CrashLoopBackOff') record(pod, { type: 'Warning', reason: 'BackOff', message: news })
      return { isStarted: false, waiting: { reason: 'CrashLoopBackOff', message }, retryMs: waitMs }
    }
  }
  const found = await findImage(parts, { pod, container, before: before?.reason === 'CrashLoopBackOff' ? undefined : before }, signal)
  if (!('image' in found)) return { isStarted: false, ...found }

  let reason = 'CreateContainerConfigError'
  try {
    const spec = await describe(parts, input, found.image, signal)
    reason = 'CreateContainerError'
    const id = await parts.runtime.createContainer(input.sandbox.id, spec, input.sandboxSpec, signal)
    record(pod, { type: 'Normal', reason: 'Created', message: `Created container ${container.name}` })
    reason = 'RunContainerError'
    if (previous) crashes.note(key)
    await parts.runtime.startContainer(id, signal)
    record(pod, { type: 'Normal', reason: 'Started', message: `Started container ${container.name}` })
    await postStart(parts, { input, containerId: id }, signal)
    return { isStarted: true }
  } catch (error) {
    signal.throwIfAborted()
    const { message } = error as Error
    record(pod, { type: 'Warning', reason: 'Failed', message: `Error: ${message}` })
    if (reason === 'CreateContainerConfigError' && !(error instanceof ContainerConfigError)) throw error
    return { isStarted: false, waiting: { reason, message }, retryMs: configRetryMs }
  }
}

async function describe(parts: PodParts, input: StartInput, image: RuntimeImage, signal: AbortSignal) {
  const { config, machine, services } = parts
  const { pod, start, sandbox, volumePaths, hostsFile } = input
  const { container, attempt } = start
  const references = envReferences(container)
  const [configMaps, secretObjects] = await Promise.all([
    readAll(parts, { pod, resource: configmaps, names: references.configMaps }, signal),
    readAll(parts, { pod, resource: secrets, names: references.secrets }, signal),
  ])
  const ips = sandbox.ips.length > 0 ? sandbox.ips : [config.nodeAddress]
  const { capacity } = machine
  const env = buildContainerEnv({ pod, container, config, ips, capacity, services: services(), configMaps, secrets: secretObjects })
  const terminationLog = terminationLogOf(parts, pod, { name: container.name, attempt })
  await mkdir(terminationLog.slice(0, terminationLog.lastIndexOf('/')), { recursive: true })
  const mounts = await prepareMounts({ container, env, volumePaths, hostsFile, terminationLog })
  return buildContainerSpec({ pod, container, attempt, env, mounts, image, memoryCapacity: capacity.memoryBytes })
}

/** The file that a container writes its last words to. */
export const terminationLogOf = ({ config }: PodParts, pod: Pod, at: { readonly name: string; readonly attempt: number }): string =>
  `${podDir(config, pod.metadata?.uid ?? '')}/containers/${at.name}/${at.attempt}`

interface Wanted<T extends ApiObject> {
  readonly pod: Pod
  readonly resource: Reference<T>['resource']
  readonly names: readonly string[]
}

/** Objects of the Pod's namespace by name; missing ones are absent. */
async function readAll<T extends ApiObject>({ objects }: PodParts, { pod, resource, names }: Wanted<T>, signal: AbortSignal) {
  const { namespace, uid: podUid } = identityOf(pod)
  const found = await Promise.all(names.map(name => objects.read({ resource, namespace, name, podUid }, signal)))
  return new Map(names.flatMap((name, i) => (found[i] === undefined ? [] : [[name, found[i]] as const])))
}

/** A container whose postStart hook fails is ended; its restart policy says what then. */
async function postStart(parts: PodParts, { input, containerId }: { input: StartInput; containerId: string }, signal: AbortSignal) {
  const { runtime, clock, record, config } = parts
  const { pod, start, sandbox } = input
  const hook = start.container.lifecycle?.postStart
  if (!hook) return
  const ip = sandbox.ips[0] ?? config.nodeAddress
  const target = { container: start.container, containerId, ip }
  const result = await runLifecycleHook(hook, { target, timeoutSeconds: hookLimitSeconds, runtime, clock }, signal)
  if (result.isSuccess) return
  record(pod, { type: 'Warning', reason: 'FailedPostStartHook', message: `PostStartHook failed: ${result.message}` })
  const observed = await runtime.observe(identityOf(pod), signal)
  const container = observed.containers.find(({ id }) => id === containerId)
  const grace = fixedGrace(pod.spec?.terminationGracePeriodSeconds ?? 30)
  if (container) await stopContainer(parts, { pod, container, ip, grace, message: 'FailedPostStartHook' }, signal)
}

/** A hook has no time limit of its own; this one only keeps a hanging hook from holding the Pod for ever. */
const hookLimitSeconds = 600
