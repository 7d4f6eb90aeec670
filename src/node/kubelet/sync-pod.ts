import { mkdir, readFile, writeFile } from 'node:fs/promises'

import type { Pod } from '../../api/generated/types.js'
import { ContainerConfigError } from './container-config-error.js'
import { buildDnsSettings } from './dns-settings.js'
import { renderHostsFile } from './hosts-file.js'
import { podDir, podLogDir } from './kubelet-config.js'
import { fqdnOf, hostnameOf, identityOf, isHostNetwork } from './pod-identity.js'
import type { PodParts } from './pod-parts.js'
import { type PodPlan, planPod, usableSandbox } from './pod-plan.js'
import type { RuntimeContainer, RuntimePod, SandboxSpec } from './pod-runtime.js'
import { buildPodStatus, type Waiting } from './pod-status.js'
import { buildSandboxSpec } from './sandbox-spec.js'
import { startContainer, terminationLogOf } from './start-container.js'
import { descriptionOf, fixedGrace, stopAllContainers, stopContainer } from './stop-containers.js'
import { readTerminationMessage } from './termination-message.js'

/** What a worker remembers of its Pod between two syncs. */
export interface PodMemory {
  /** Why containers do not run, by name. */
  readonly waiting: Map<string, Waiting>
  /** Last words of containers that ended, by id. */
  readonly lastWords: Map<string, string>
  /** Set when the kubelet ended the Pod itself. */
  failure: Waiting | undefined
}

export const emptyMemory = (): PodMemory => ({ waiting: new Map(), lastWords: new Map(), failure: undefined })

/** The Pod looks after itself again after this long at the latest: volumes are brought up to date, tokens renewed. */
const resyncMs = 60_000

/**
 * Brings a Pod that shall run as close to its description as can be had now, and publishes its status.
 * Returns after how many milliseconds it is worth another look. Errors: those of the runtime and the API; the caller tries again.
 */
export async function syncPod(parts: PodParts, given: Pod, memory: PodMemory, signal: AbortSignal): Promise<number> {
  for (;;) {
    parts.statuses.seen(given)
    const pod = withWrittenStatus(parts, given)
    const observed = await observePod(parts, pod, memory, signal)
    trackProbes(parts, pod, observed)
    const dueMs = deadlineMs(parts, pod, memory)
    const plan = planPod(memory.failure ? { ...pod, status: { ...pod.status, phase: 'Failed' } } : pod, observed, parts.prober)
    const outcome = await execute(parts, { pod, observed, plan, memory }, signal)
    publish(parts, pod, observed, memory)
    if (!outcome.hasActed) return Math.min(resyncMs, dueMs, outcome.retryMs)
  }
}

/** The Pod as its newest status makes it; what was written last may not have come back from the API yet. */
export function withWrittenStatus({ statuses }: PodParts, pod: Pod): Pod {
  const written = statuses.written(pod.metadata?.uid ?? '')
  if (!written) return pod
  const own = new Set(written.conditions?.map(({ type }) => type))
  const foreign = (pod.status?.conditions ?? []).filter(({ type }) => !own.has(type))
  return { ...pod, status: { ...pod.status, ...written, conditions: [...(written.conditions ?? []), ...foreign] } }
}

/** The Pod in the runtime, with the last words of what has ended. */
export async function observePod(parts: PodParts, pod: Pod, memory: PodMemory, signal: AbortSignal): Promise<RuntimePod> {
  const observed = await parts.runtime.observe(identityOf(pod), signal)
  const containers = await Promise.all(observed.containers.map(container => withLastWords(parts, pod, container, memory)))
  return { ...observed, containers }
}

async function withLastWords(parts: PodParts, pod: Pod, ended: RuntimeContainer, { lastWords }: PodMemory): Promise<RuntimeContainer> {
  const container = descriptionOf(pod, ended.name)
  if (ended.state !== 'exited' || !container) return ended
  const log = `${podLogDir(parts.config, identityOf(pod))}/${ended.name}/${ended.attempt}.log`
  const files = { terminationLog: terminationLogOf(parts, pod, ended), log }
  const words = lastWords.get(ended.id) ?? (await readTerminationMessage({ container, ended }, files))
  lastWords.set(ended.id, words)
  return { ...ended, message: words || ended.message }
}

export function publish(parts: PodParts, pod: Pod, observed: RuntimePod, { waiting, failure }: PodMemory): void {
  const { config, prober: health, clock, statuses } = parts
  statuses.write(pod, buildPodStatus({ pod, observed, health, waiting, config, nowMs: clock.now(), failure }))
}

/** Milliseconds until the Pod's own deadline; marks the Pod as failed when that is over. */
function deadlineMs({ clock }: PodParts, pod: Pod, memory: PodMemory): number {
  const seconds = pod.spec?.activeDeadlineSeconds
  const { startTime, phase } = pod.status ?? {}
  if (seconds === undefined || startTime === undefined || phase === 'Succeeded' || phase === 'Failed') return Number.POSITIVE_INFINITY
  const leftMs = Date.parse(startTime) + seconds * 1000 - clock.now()
  if (leftMs > 0) return leftMs
  memory.failure = { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' }
  return Number.POSITIVE_INFINITY
}

function trackProbes({ prober, config }: PodParts, pod: Pod, observed: RuntimePod): void {
  const ip = usableSandbox(pod, observed)?.ips[0] ?? config.nodeAddress
  const running = observed.containers.flatMap(({ name, id, state, startedAtMs }) => {
    const container = state === 'running' ? descriptionOf(pod, name) : undefined
    return container ? [{ container, containerId: id, ip, startedAtMs }] : []
  })
  prober.sync(observed.uid, running)
}

interface Execution {
  readonly pod: Pod
  readonly observed: RuntimePod
  readonly plan: PodPlan
  readonly memory: PodMemory
}

interface ExecutionOutcome {
  /** The Pod has to be observed again. */
  readonly hasActed: boolean
  readonly retryMs: number
}

async function execute(parts: PodParts, execution: Execution, signal: AbortSignal): Promise<ExecutionOutcome> {
  const { runtime } = parts
  const { pod, observed, plan } = execution
  const grace = fixedGrace(pod.spec?.terminationGracePeriodSeconds ?? 30)
  if (plan.isFinished) await stopAllContainers(parts, { pod, observed, grace }, signal)
  await Promise.all(plan.stopSandboxes.map(id => runtime.stopSandbox(id, signal)))
  await Promise.all(plan.kill.map(kill => stopPlanned(parts, execution, kill, signal)))
  await Promise.all(plan.removeContainers.map(id => runtime.removeContainer(id, signal)))
  await Promise.all(plan.removeSandboxes.map(id => runtime.removeSandbox(id, signal)))
  const hasTidied = plan.stopSandboxes.length + plan.kill.length + plan.removeContainers.length + plan.removeSandboxes.length > 0

  if (plan.createSandbox !== undefined) {
    publish(parts, pod, observed, execution.memory)
    await createSandbox(parts, { ...execution, attempt: plan.createSandbox }, signal)
    return { hasActed: true, retryMs: 0 }
  }
  if (plan.isFinished) return { hasActed: hasTidied, retryMs: Number.POSITIVE_INFINITY }
  const started = await startAll(parts, execution, signal)
  return { hasActed: hasTidied || started.hasActed, retryMs: started.retryMs }
}

async function stopPlanned(
  parts: PodParts,
  { pod, observed }: Execution,
  kill: PodPlan['kill'][number],
  signal: AbortSignal,
): Promise<void> {
  const { container, message, graceSeconds } = kill
  const grace = fixedGrace(graceSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30)
  const ip = usableSandbox(pod, observed)?.ips[0] ?? parts.config.nodeAddress
  await stopContainer(parts, { pod, container, ip, grace, message }, signal)
}

async function sandboxSpecOf({ config, nodeDns }: PodParts, pod: Pod, attempt: number): Promise<SandboxSpec> {
  return buildSandboxSpec({ pod, attempt, config, dns: buildDnsSettings(pod, config, await nodeDns()) })
}

/** The network takes longest, so the volumes are made meanwhile; what they lack is told when the containers are due. */
async function createSandbox(
  parts: PodParts,
  { pod, attempt }: Execution & { readonly attempt: number },
  signal: AbortSignal,
): Promise<void> {
  const spec = await sandboxSpecOf(parts, pod, attempt)
  await mkdir(spec.logDirectory, { recursive: true })
  const volumes = ensureVolumes(parts, pod, [], signal).catch(() => {})
  try {
    await parts.runtime.runSandbox(spec, signal)
  } catch (error) {
    signal.throwIfAborted()
    const message = `Failed to create pod sandbox: ${(error as Error).message}`
    parts.record(pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message })
    throw error
  } finally {
    await volumes
  }
}

function ensureVolumes({ volumes, config, machine, objects, tokens }: PodParts, pod: Pod, ips: readonly string[], signal: AbortSignal) {
  return volumes.ensure({ pod, config, ips, capacity: machine.capacity, objects, tokens }, signal)
}

async function startAll(parts: PodParts, { pod, observed, plan, memory }: Execution, signal: AbortSignal): Promise<ExecutionOutcome> {
  const sandbox = usableSandbox(pod, observed)
  if (!sandbox) return { hasActed: false, retryMs: Number.POSITIVE_INFINITY }
  const volumePaths = await volumesOrEvent(parts, pod, sandbox.ips, signal)
  if (plan.start.length === 0) return { hasActed: false, retryMs: Number.POSITIVE_INFINITY }

  const sandboxSpec = await sandboxSpecOf(parts, pod, sandbox.attempt)
  const hostsFile = await writeHostsFile(parts, pod, sandbox.ips)
  const outcomes = await Promise.all(
    plan.start.map(async start => {
      const { name } = start.container
      const before = memory.waiting.get(name)
      const outcome = await startContainer(parts, { pod, start, sandbox, sandboxSpec, volumePaths, hostsFile, before }, signal)
      if (outcome.isStarted) memory.waiting.delete(name)
      else memory.waiting.set(name, outcome.waiting)
      return outcome
    }),
  )
  return {
    hasActed: outcomes.some(({ isStarted }) => isStarted),
    retryMs: Math.min(...outcomes.map(outcome => (outcome.isStarted ? Number.POSITIVE_INFINITY : outcome.retryMs))),
  }
}

async function volumesOrEvent(parts: PodParts, pod: Pod, ips: readonly string[], signal: AbortSignal) {
  try {
    return await ensureVolumes(parts, pod, ips, signal)
  } catch (error) {
    signal.throwIfAborted()
    const message = error instanceof ContainerConfigError ? error.message : `MountVolume failed: ${(error as Error).message}`
    parts.record(pod, { type: 'Warning', reason: 'FailedMount', message })
    throw error
  }
}

/** The runtime mounts this file into the Pod's containers; it stays where it is for as long as the Pod lives. */
async function writeHostsFile({ config }: PodParts, pod: Pod, ips: readonly string[]): Promise<string> {
  const path = `${podDir(config, pod.metadata?.uid ?? '')}/etc-hosts`
  const nodeHosts = isHostNetwork(pod) ? await readFile('/etc/hosts', 'utf8') : undefined
  const aliases = pod.spec?.hostAliases ?? []
  await mkdir(podDir(config, pod.metadata?.uid ?? ''), { recursive: true })
  await writeFile(path, renderHostsFile({ ips, hostname: hostnameOf(pod), fqdn: fqdnOf(pod, config), aliases, nodeHosts }))
  return path
}
