import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { CriConnection, CriService } from './cri-connection.js'
import type {
  ContainerSpec,
  PodRuntime,
  RuntimeContainer,
  RuntimeContainerState,
  RuntimeImage,
  RuntimeSandbox,
  SandboxSpec,
} from './pod-runtime.js'

/** Labels by which upstream's kubelet marks what it owns; other tools (crictl, log shippers) look for them. */
export const runtimeLabels = {
  podUid: 'io.kubernetes.pod.uid',
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  containerName: 'io.kubernetes.container.name',
} as const
const hashAnnotation = 'io.kubernetes.container.hash'

interface Metadata {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly attempt: number
}
interface CriSandbox {
  readonly id: string
  readonly metadata: Metadata
  readonly state: 'SANDBOX_READY' | 'SANDBOX_NOTREADY'
  readonly created_at: number
}
interface CriContainer {
  readonly id: string
  readonly pod_sandbox_id: string
  readonly metadata: { readonly name: string; readonly attempt: number }
  readonly image: { readonly image: string }
  readonly image_ref: string
  readonly state: keyof typeof containerStates
  readonly created_at: number
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
interface CriContainerStatus extends CriContainer {
  readonly started_at: number
  readonly finished_at: number
  readonly exit_code: number
  readonly reason: string
  readonly message: string
}
interface CriImage {
  readonly id: string
  readonly repo_tags: readonly string[]
  readonly repo_digests: readonly string[]
  readonly size: number
  readonly uid: { readonly value: number } | null
  readonly username: string
}

const containerStates = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
} as const satisfies Record<string, RuntimeContainerState>

const namespaceModes = { pod: 'POD', container: 'CONTAINER', node: 'NODE' } as const
const propagations = {
  private: 'PROPAGATION_PRIVATE',
  hostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  bidirectional: 'PROPAGATION_BIDIRECTIONAL',
} as const

/** What the runtime may take beyond the grace period to report a container's end. */
const stopMarginMs = 120_000

const toMs = (nanoseconds: number): number => Math.floor(nanoseconds / 1e6)

/** The runtime behind the container runtime interface, version 1. */
export function criPodRuntime(cri: CriConnection): PodRuntime {
  const call = <R>(service: CriService, method: string, request: object, signal: AbortSignal, timeoutMs?: number): Promise<R> =>
    cri.call<R>({ service, method, request, ...(timeoutMs === undefined ? {} : { timeoutMs }) }, signal)
  const runtime = <R = unknown>(method: string, request: object, signal: AbortSignal, timeoutMs?: number) =>
    call<R>('RuntimeService', method, request, signal, timeoutMs)

  async function sandboxOf(sandbox: CriSandbox, signal: AbortSignal): Promise<RuntimeSandbox> {
    const isReady = sandbox.state === 'SANDBOX_READY'
    const ips = isReady ? await ipsOf(sandbox.id, signal) : []
    return { id: sandbox.id, attempt: sandbox.metadata.attempt, isReady, createdAtMs: toMs(sandbox.created_at), ips }
  }

  async function ipsOf(id: string, signal: AbortSignal): Promise<readonly string[]> {
    type Network = { readonly ip: string; readonly additional_ips: readonly { readonly ip: string }[] }
    type Answer = { readonly status: { readonly network: Network | null } }
    const answer = await unlessGone(runtime<Answer>('PodSandboxStatus', { pod_sandbox_id: id }, signal))
    const network = answer?.status.network
    return network ? [network.ip, ...network.additional_ips.map(({ ip }) => ip)].filter(ip => ip !== '') : []
  }

  /** Undefined for a container that was removed since it was listed. */
  async function containerOf(container: CriContainer, signal: AbortSignal): Promise<RuntimeContainer | undefined> {
    const answer = await unlessGone(
      runtime<{ readonly status: CriContainerStatus }>('ContainerStatus', { container_id: container.id }, signal),
    )
    if (!answer) return undefined
    const { status } = answer
    return {
      id: container.id,
      sandboxId: container.pod_sandbox_id,
      name: container.metadata.name,
      attempt: container.metadata.attempt,
      image: container.image.image,
      imageId: container.image_ref,
      specHash: container.annotations[hashAnnotation] ?? '',
      state: containerStates[status.state],
      createdAtMs: toMs(status.created_at),
      startedAtMs: toMs(status.started_at),
      finishedAtMs: toMs(status.finished_at),
      exitCode: status.exit_code,
      reason: status.reason,
      message: status.message,
    }
  }

  return {
    async version(signal) {
      const answer = await runtime<{ readonly runtime_name: string; readonly runtime_version: string }>(
        'Version',
        { version: 'v1' },
        signal,
      )
      return `${answer.runtime_name}://${answer.runtime_version}`
    },
    async condition(signal) {
      type Condition = { readonly type: string; readonly status: boolean; readonly message: string }
      const { status } = await runtime<{ readonly status: { readonly conditions: readonly Condition[] } }>('Status', {}, signal, 10_000)
      const holds = (type: string) => status.conditions.some(condition => condition.type === type && condition.status)
      const message = status.conditions.flatMap(condition => (condition.status ? [] : [condition.message])).join('; ')
      return { isRuntimeReady: holds('RuntimeReady'), isNetworkReady: holds('NetworkReady'), message }
    },
    async list(signal) {
      const [{ items }, { containers }] = await Promise.all([
        runtime<{ readonly items: readonly CriSandbox[] }>('ListPodSandbox', {}, signal, 10_000),
        runtime<{ readonly containers: readonly CriContainer[] }>('ListContainers', {}, signal, 10_000),
      ])
      const pods = new Map<string, { uid: string; namespace: string; name: string; parts: string[] }>()
      for (const { id, metadata, state } of items) {
        const { uid, namespace, name } = metadata
        const pod = pods.get(uid) ?? { uid, namespace, name, parts: [] }
        pod.parts.push(`${id} ${state}`)
        pods.set(uid, pod)
      }
      for (const { id, state, labels } of containers) pods.get(labels[runtimeLabels.podUid] ?? '')?.parts.push(`${id} ${state}`)
      return [...pods.values()].map(({ parts, ...pod }) => ({ ...pod, fingerprint: parts.sort().join('\n') }))
    },
    async observe({ uid, namespace, name }, signal) {
      const filter = { label_selector: { [runtimeLabels.podUid]: uid } }
      const [{ items }, { containers }] = await Promise.all([
        runtime<{ readonly items: readonly CriSandbox[] }>('ListPodSandbox', { filter }, signal),
        runtime<{ readonly containers: readonly CriContainer[] }>('ListContainers', { filter }, signal),
      ])
      const [sandboxes, details] = await Promise.all([
        Promise.all(items.map(item => sandboxOf(item, signal))),
        Promise.all(containers.map(container => containerOf(container, signal))),
      ])
      return {
        uid,
        namespace,
        name,
        sandboxes: sandboxes.sort((a, b) => b.createdAtMs - a.createdAtMs || b.attempt - a.attempt),
        containers: details.filter(detail => detail !== undefined).sort((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs),
      }
    },
    async runSandbox(spec, signal) {
      const answer = await runtime<{ readonly pod_sandbox_id: string }>('RunPodSandbox', { config: sandboxMessage(spec) }, signal)
      return answer.pod_sandbox_id
    },
    async stopSandbox(id, signal) {
      await unlessGone(runtime('StopPodSandbox', { pod_sandbox_id: id }, signal))
    },
    async removeSandbox(id, signal) {
      await unlessGone(runtime('RemovePodSandbox', { pod_sandbox_id: id }, signal))
    },
    async createContainer(sandboxId, container, sandbox, signal) {
      const request = { pod_sandbox_id: sandboxId, config: containerMessage(container, sandbox), sandbox_config: sandboxMessage(sandbox) }
      return (await runtime<{ readonly container_id: string }>('CreateContainer', request, signal)).container_id
    },
    async startContainer(id, signal) {
      await runtime('StartContainer', { container_id: id }, signal)
    },
    async stopContainer(id, graceSeconds, signal) {
      const request = { container_id: id, timeout: graceSeconds }
      await unlessGone(runtime('StopContainer', request, signal, graceSeconds * 1000 + stopMarginMs))
    },
    async removeContainer(id, signal) {
      await unlessGone(runtime('RemoveContainer', { container_id: id }, signal))
    },
    async exec(id, argv, timeoutSeconds, signal) {
      type Answer = { readonly stdout: Uint8Array; readonly stderr: Uint8Array; readonly exit_code: number }
      const request = { container_id: id, cmd: argv, timeout: timeoutSeconds }
      const answer = await runtime<Answer>('ExecSync', request, signal, timeoutSeconds * 1000 + 5_000)
      return { exitCode: answer.exit_code, output: Buffer.concat([answer.stdout, answer.stderr]).toString() }
    },
    async image(name, signal) {
      const request = { image: { image: name } }
      const { image } = await call<{ readonly image: CriImage | null }>('ImageService', 'ImageStatus', request, signal)
      return image ? imageOf(image) : undefined
    },
    async images(signal) {
      const { images } = await call<{ readonly images: readonly CriImage[] }>('ImageService', 'ListImages', {}, signal)
      return images.map(imageOf)
    },
  }
}

/** What is gone already needs no stopping or removing, and has nothing to tell. */
async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isPodwireError(error, 'NOT_FOUND')) return undefined
    throw error
  }
}

function imageOf(image: CriImage): RuntimeImage {
  const user = image.uid ? image.uid.value : image.username === '' ? 0 : undefined
  return { id: image.id, names: [...image.repo_tags, ...image.repo_digests], sizeBytes: image.size, user }
}

const int64 = (value: number | undefined) => (value === undefined ? {} : { value })
const optional = <K extends string>(key: K, value: number | undefined) => (value === undefined ? {} : { [key]: int64(value) })

function sandboxMessage(spec: SandboxSpec): object {
  const { pod } = spec
  return {
    metadata: { ...pod, attempt: spec.attempt },
    hostname: spec.hostname,
    log_directory: spec.logDirectory,
    dns_config: spec.dns,
    port_mappings: spec.portMappings.map(mapping => ({
      protocol: mapping.protocol,
      container_port: mapping.containerPort,
      host_port: mapping.hostPort,
      host_ip: mapping.hostIp,
    })),
    labels: { ...spec.labels, ...podLabels(spec) },
    annotations: spec.annotations,
    linux: {
      cgroup_parent: spec.cgroupParent,
      sysctls: spec.sysctls,
      security_context: {
        namespace_options: namespaceMessage(spec),
        privileged: spec.isPrivileged,
        ...optional('run_as_user', spec.runAsUser),
        ...optional('run_as_group', spec.runAsGroup),
        supplemental_groups: spec.supplementalGroups,
        seccomp: { profile_type: 'Unconfined' },
      },
    },
  }
}

const podLabels = ({ pod }: SandboxSpec) => ({
  [runtimeLabels.podUid]: pod.uid,
  [runtimeLabels.podName]: pod.name,
  [runtimeLabels.podNamespace]: pod.namespace,
})

const namespaceMessage = ({ namespaces }: SandboxSpec) => ({
  network: namespaceModes[namespaces.network],
  pid: namespaceModes[namespaces.pid],
  ipc: namespaceModes[namespaces.ipc],
})

function containerMessage(container: ContainerSpec, sandbox: SandboxSpec): object {
  const { resources, security } = container
  return {
    metadata: { name: container.name, attempt: container.attempt },
    image: { image: container.image },
    command: container.command,
    args: container.args,
    working_dir: container.workingDir,
    envs: container.env.map(({ name, value }) => ({ key: name, value })),
    mounts: container.mounts.map(mount => ({
      container_path: mount.containerPath,
      host_path: mount.hostPath,
      readonly: mount.isReadOnly,
      propagation: propagations[mount.propagation],
    })),
    labels: { ...container.labels, ...podLabels(sandbox), [runtimeLabels.containerName]: container.name },
    annotations: { ...container.annotations, [hashAnnotation]: container.hash },
    log_path: container.logPath,
    stdin: container.hasStdin,
    stdin_once: container.stdinOnce,
    tty: container.hasTty,
    linux: {
      resources: {
        cpu_period: 100_000,
        cpu_quota: resources.cpuQuotaUs,
        cpu_shares: resources.cpuShares,
        memory_limit_in_bytes: resources.memoryLimit,
        oom_score_adj: resources.oomScoreAdj,
      },
      security_context: {
        privileged: security.isPrivileged,
        capabilities: { add_capabilities: security.addCapabilities, drop_capabilities: security.dropCapabilities },
        namespace_options: namespaceMessage(sandbox),
        ...optional('run_as_user', security.runAsUser),
        ...optional('run_as_group', security.runAsGroup),
        supplemental_groups: security.supplementalGroups,
        readonly_rootfs: security.hasReadOnlyRoot,
        no_new_privs: security.hasNoNewPrivileges,
        masked_paths: security.maskedPaths,
        readonly_paths: security.readonlyPaths,
        seccomp: { profile_type: security.useDefaultSeccomp ? 'RuntimeDefault' : 'Unconfined' },
      },
    },
  }
}
