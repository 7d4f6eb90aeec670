import type { Container, Pod } from '../../api/generated/types.js'
import type { ContainerHealth } from './container-health.js'
import { containerHash } from './container-spec.js'
import { isHostNetwork } from './pod-identity.js'
import type { RuntimeContainer, RuntimePod, RuntimeSandbox } from './pod-runtime.js'

/** A container to be started. Whether its image is there and its back-off is over is the executor's business. */
export interface PlannedStart {
  readonly container: Container
  readonly attempt: number
  /** The container of this name that ended last. */
  readonly previous: RuntimeContainer | undefined
}

export interface PlannedKill {
  readonly container: RuntimeContainer
  readonly description: Container
  readonly message: string
  /** Shorter than the Pod's own when a probe says so. */
  readonly graceSeconds: number | undefined
}

/** What brings a Pod closer to its description. Executed in the order of the fields; then the Pod is observed afresh. */
export interface PodPlan {
  /** Sandboxes without use, with all that runs in them. */
  readonly stopSandboxes: readonly string[]
  /** The attempt of the sandbox to make. */
  readonly createSandbox: number | undefined
  readonly kill: readonly PlannedKill[]
  /** Dead containers that nobody asks about any more. */
  readonly removeContainers: readonly string[]
  readonly removeSandboxes: readonly string[]
  readonly start: readonly PlannedStart[]
  /** Nothing of the Pod will run again. */
  readonly isFinished: boolean
}

/** The sandbox in which the Pod's containers belong, if there is one. */
export const usableSandbox = (pod: Pod, observed: RuntimePod): RuntimeSandbox | undefined =>
  observed.sandboxes.find(sandbox => sandbox.isReady && (isHostNetwork(pod) || sandbox.ips.length > 0))

/** An init container that goes on beside the main ones. */
export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always'

/** Compares what should run with what the runtime holds. Pure; time does not matter to it. */
export function planPod(pod: Pod, observed: RuntimePod, health: ContainerHealth): PodPlan {
  const sandbox = usableSandbox(pod, observed)
  const isFinished = hasFinished(pod, observed)
  const current = new Map(newestOf(observed, sandbox).map(container => [container.name, container]))
  const mains = pod.spec?.containers ?? []
  const isInitialized = mains.some(({ name }) => current.has(name)) || initStep(pod, current, health) === 'done'

  const candidates = isFinished ? [] : isInitialized ? [...sidecarsOf(pod), ...mains] : firstInit(pod, current, health)
  const kill = sandbox && !isFinished ? candidates.flatMap(container => killOf(container, current.get(container.name), health)) : []
  const killed = new Set(kill.map(({ container }) => container.name))
  const start = candidates
    .filter(container => !killed.has(container.name) && mustStart(pod, container, current.get(container.name), newest(observed, container)))
    .map(container => plannedStart(container, newest(observed, container)))

  const needless = observed.sandboxes.filter(candidate => candidate !== sandbox || isFinished)
  const superseded = supersededContainers(observed, start)
  const isKept = ({ id, sandboxId }: RuntimeContainer, box: RuntimeSandbox) => sandboxId === box.id && !superseded.includes(id)
  return {
    stopSandboxes: needless.filter(({ isReady, id }) => isReady || hasRunning(observed, id)).map(({ id }) => id),
    createSandbox: sandbox || start.length === 0 ? undefined : Math.max(-1, ...observed.sandboxes.map(({ attempt }) => attempt)) + 1,
    kill,
    removeContainers: superseded,
    removeSandboxes: needless
      .filter(box => !isFinished && !box.isReady && !observed.containers.some(container => isKept(container, box)))
      .map(({ id }) => id),
    start,
    isFinished,
  }
}

/** True when no container of the Pod may run again, by its restart policy or because its end was already published. */
export function hasFinished(pod: Pod, observed: RuntimePod): boolean {
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return true
  const mains = pod.spec?.containers ?? []
  const hasEnded = (container: Container) => {
    const last = newest(observed, container)
    return last?.state === 'exited' && !mayRestart(pod, container, last)
  }
  const initFailed = (pod.spec?.initContainers ?? []).some(
    container => !isSidecar(container) && hasEnded(container) && newest(observed, container)?.exitCode !== 0,
  )
  return initFailed || (mains.length > 0 && mains.every(hasEnded))
}

/** Whether the restart policy lets a container that ended so run again. */
export function mayRestart(pod: Pod, container: Container, ended: Pick<RuntimeContainer, 'exitCode'>): boolean {
  if (isSidecar(container)) return true
  const policy = pod.spec?.restartPolicy ?? 'Always'
  const isInit = pod.spec?.initContainers?.includes(container) ?? false
  if (isInit) return ended.exitCode !== 0 && policy !== 'Never'
  return policy === 'Always' || (policy === 'OnFailure' && ended.exitCode !== 0)
}

const newest = (observed: RuntimePod, { name }: { readonly name: string }): RuntimeContainer | undefined =>
  observed.containers.find(container => container.name === name)

/** Of each name the newest container in this sandbox. */
function newestOf(observed: RuntimePod, sandbox: RuntimeSandbox | undefined): readonly RuntimeContainer[] {
  const inside = observed.containers.filter(({ sandboxId }) => sandboxId === sandbox?.id)
  return inside.filter((container, i) => inside.findIndex(({ name }) => name === container.name) === i)
}

const sidecarsOf = (pod: Pod): readonly Container[] => (pod.spec?.initContainers ?? []).filter(isSidecar)

type Current = ReadonlyMap<string, RuntimeContainer>

/** The first init container that holds up the ones behind it, or `done`. */
function initStep(pod: Pod, current: Current, health: ContainerHealth): Container | 'done' {
  const blocking = (pod.spec?.initContainers ?? []).find(container => {
    const seen = current.get(container.name)
    if (isSidecar(container)) return !(seen?.state === 'running' && health.isStarted(seen.id))
    return !(seen?.state === 'exited' && seen.exitCode === 0)
  })
  return blocking ?? 'done'
}

/** While the Pod is being initialised: the init container that is due, and the sidecars before it. */
function firstInit(pod: Pod, current: Current, health: ContainerHealth): readonly Container[] {
  const step = initStep(pod, current, health)
  if (step === 'done') return []
  const all = pod.spec?.initContainers ?? []
  return [...all.slice(0, all.indexOf(step)).filter(isSidecar), step]
}

function mustStart(pod: Pod, container: Container, inSandbox: RuntimeContainer | undefined, last: RuntimeContainer | undefined): boolean {
  if (inSandbox) {
    if (inSandbox.state === 'exited') return mayRestart(pod, container, inSandbox)
    return inSandbox.state === 'created'
  }
  if (!last || pod.spec?.initContainers?.includes(container)) return true
  // It ran in a sandbox that is gone: as if it had been killed, unless it had ended before.
  return mayRestart(pod, container, last.state === 'exited' ? last : { exitCode: 137 })
}

/** A container that was created but never started does not count as a restart; it is replaced. */
function plannedStart(container: Container, last: RuntimeContainer | undefined): PlannedStart {
  if (!last) return { container, attempt: 0, previous: undefined }
  if (last.state === 'created') return { container, attempt: last.attempt, previous: undefined }
  return { container, attempt: last.attempt + 1, previous: last }
}

function killOf(description: Container, running: RuntimeContainer | undefined, health: ContainerHealth): readonly PlannedKill[] {
  if (!running || (running.state !== 'running' && running.state !== 'unknown')) return []
  const kill = (message: string, graceSeconds?: number): readonly PlannedKill[] => [
    { container: running, description, message, graceSeconds },
  ]
  const { name } = description
  if (running.state === 'unknown') return kill(`Container ${name} is in unknown state, try killing it before restart`, 0)
  if (running.specHash !== containerHash(description)) return kill(`Container ${name} definition changed`)
  const failed = health.failedProbe(running.id)
  if (!failed) return []
  const probe = failed === 'liveness' ? description.livenessProbe : description.startupProbe
  const message = `Container ${name} failed ${failed} probe${description.restartPolicy === 'Never' ? '' : ', will be restarted'}`
  return kill(message, probe?.terminationGracePeriodSeconds)
}

const hasRunning = (observed: RuntimePod, sandboxId: string): boolean =>
  observed.containers.some(container => container.sandboxId === sandboxId && container.state === 'running')

/** Of each name the newest two are kept: the one that counts, and the one before it for `lastState` and `kubectl logs --previous`. */
function supersededContainers(observed: RuntimePod, start: readonly PlannedStart[]): readonly string[] {
  const seen = new Map<string, number>()
  const old = observed.containers.filter(({ name, state }) => {
    if (state === 'created') return start.some(({ container }) => container.name === name)
    const position = seen.get(name) ?? 0
    seen.set(name, position + 1)
    return position >= 2 && state === 'exited'
  })
  return old.map(({ id }) => id)
}
