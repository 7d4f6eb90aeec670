/** What the runtime says of itself. */
export interface RuntimeCondition {
  readonly isRuntimeReady: boolean
  /** True once a CNI configuration is in place. */
  readonly isNetworkReady: boolean
  /** Why something is not ready, in the runtime's own words. */
  readonly message: string
}

export type RuntimeContainerState = 'created' | 'running' | 'exited' | 'unknown'

/** The namespaces and the network of a Pod, held by its sandbox. */
export interface RuntimeSandbox {
  readonly id: string
  readonly attempt: number
  readonly isReady: boolean
  readonly createdAtMs: number
  /** Empty for a Pod in the node's network. */
  readonly ips: readonly string[]
}

export interface RuntimeContainer {
  readonly id: string
  readonly sandboxId: string
  readonly name: string
  /** 0 for the first container of this name, one more for each restart. */
  readonly attempt: number
  /** As the Pod names it. */
  readonly image: string
  readonly imageId: string
  /** Tells whether the container was made of the same description (see `ContainerSpec.hash`). */
  readonly specHash: string
  readonly state: RuntimeContainerState
  readonly createdAtMs: number
  readonly startedAtMs: number
  readonly finishedAtMs: number
  readonly exitCode: number
  readonly reason: string
  readonly message: string
}

/** All that the runtime holds of one Pod; newest first. */
export interface RuntimePod {
  readonly uid: string
  readonly namespace: string
  readonly name: string
  readonly sandboxes: readonly RuntimeSandbox[]
  readonly containers: readonly RuntimeContainer[]
}

/** One Pod in a listing: enough to see that something has changed. */
export interface RuntimePodSummary {
  readonly uid: string
  readonly namespace: string
  readonly name: string
  /** Equal as long as no sandbox or container of the Pod has come, gone or changed its state. */
  readonly fingerprint: string
}

export interface PodIdentity {
  readonly uid: string
  readonly namespace: string
  readonly name: string
}

export interface DnsSettings {
  readonly servers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly string[]
}

export interface NamespaceChoice {
  readonly network: 'pod' | 'node'
  readonly pid: 'pod' | 'container' | 'node'
  readonly ipc: 'pod' | 'node'
}

export interface PortMapping {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly containerPort: number
  readonly hostPort: number
  readonly hostIp: string
}

export interface SandboxSpec {
  readonly pod: PodIdentity
  readonly attempt: number
  readonly hostname: string
  readonly logDirectory: string
  readonly dns: DnsSettings
  readonly portMappings: readonly PortMapping[]
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly cgroupParent: string
  readonly sysctls: Readonly<Record<string, string>>
  readonly namespaces: NamespaceChoice
  readonly isPrivileged: boolean
  readonly runAsUser: number | undefined
  readonly runAsGroup: number | undefined
  readonly supplementalGroups: readonly number[]
}

export interface Mount {
  readonly containerPath: string
  readonly hostPath: string
  readonly isReadOnly: boolean
  readonly propagation: 'private' | 'hostToContainer' | 'bidirectional'
}

export interface ContainerResources {
  /** Relative weight; 1024 is one CPU. */
  readonly cpuShares: number
  /** Microseconds of CPU time in each period of 100 ms; 0 is no limit. */
  readonly cpuQuotaUs: number
  /** Bytes; 0 is no limit. */
  readonly memoryLimit: number
  readonly oomScoreAdj: number
}

export interface ContainerSecurity {
  readonly isPrivileged: boolean
  readonly addCapabilities: readonly string[]
  readonly dropCapabilities: readonly string[]
  readonly runAsUser: number | undefined
  readonly runAsGroup: number | undefined
  readonly supplementalGroups: readonly number[]
  readonly hasReadOnlyRoot: boolean
  readonly hasNoNewPrivileges: boolean
  readonly maskedPaths: readonly string[]
  readonly readonlyPaths: readonly string[]
  readonly useDefaultSeccomp: boolean
}

export interface ContainerSpec {
  readonly name: string
  readonly attempt: number
  readonly image: string
  /** Identifies the container's description in the Pod; a running container of another one is out of date. */
  readonly hash: string
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly workingDir: string
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly mounts: readonly Mount[]
  /** Below the sandbox's log directory. */
  readonly logPath: string
  readonly resources: ContainerResources
  readonly security: ContainerSecurity
  readonly hasStdin: boolean
  readonly stdinOnce: boolean
  readonly hasTty: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface RuntimeImage {
  readonly id: string
  readonly names: readonly string[]
  readonly sizeBytes: number
  /** The numeric user the image runs as; undefined when it names one by name, or none. */
  readonly user: number | undefined
}

export interface ExecResult {
  readonly exitCode: number
  readonly output: string
}

/**
 * The container runtime as the kubelet sees it. Every call is idempotent where Kubernetes needs it to be: stopping or removing what is
 * gone succeeds. Errors: RUNTIME_FAILED with the runtime's own words, NOT_FOUND for an unknown container or sandbox, TIMED_OUT.
 */
export interface PodRuntime {
  /** As nodes publish it: `containerd://1.6.20`. */
  version(signal: AbortSignal): Promise<string>
  condition(signal: AbortSignal): Promise<RuntimeCondition>
  list(signal: AbortSignal): Promise<readonly RuntimePodSummary[]>
  observe(pod: PodIdentity, signal: AbortSignal): Promise<RuntimePod>
  /** Makes the namespaces and the network; returns the sandbox's id. */
  runSandbox(spec: SandboxSpec, signal: AbortSignal): Promise<string>
  /** Ends all its containers at once and takes its network away. */
  stopSandbox(id: string, signal: AbortSignal): Promise<void>
  /** Removes it with its containers. */
  removeSandbox(id: string, signal: AbortSignal): Promise<void>
  createContainer(sandboxId: string, container: ContainerSpec, sandbox: SandboxSpec, signal: AbortSignal): Promise<string>
  startContainer(id: string, signal: AbortSignal): Promise<void>
  /** SIGTERM, SIGKILL after `graceSeconds`; resolves when it has ended. */
  stopContainer(id: string, graceSeconds: number, signal: AbortSignal): Promise<void>
  removeContainer(id: string, signal: AbortSignal): Promise<void>
  /** Runs a command in a container to its end; `output` holds both streams. */
  exec(id: string, argv: readonly string[], timeoutSeconds: number, signal: AbortSignal): Promise<ExecResult>
  /** The image of that name if the node has it. */
  image(name: string, signal: AbortSignal): Promise<RuntimeImage | undefined>
  images(signal: AbortSignal): Promise<readonly RuntimeImage[]>
}
