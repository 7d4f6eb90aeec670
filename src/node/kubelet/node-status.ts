import type { Node, NodeCondition, NodeStatus } from '../../api/generated/types.js'
import type { KubeletConfig } from './kubelet-config.js'
import type { MachineFacts } from './machine-facts.js'
import type { RuntimeCondition, RuntimeImage } from './pod-runtime.js'
import { timestamp } from './pod-status.js'

/** The version of Kubernetes whose kubelet this one behaves like. */
export const kubeletVersion = 'v1.36.2'
/** As many Pods as upstream's kubelet takes on one node. */
const maxPods = '110'

export interface NodeStatusInput {
  readonly config: KubeletConfig
  readonly machine: MachineFacts
  readonly condition: RuntimeCondition
  readonly runtimeVersion: string
  readonly images: readonly RuntimeImage[]
  /** What the node said last; conditions that stay the same keep the time of their change. */
  readonly before: readonly NodeCondition[]
  readonly nowMs: number
  /** Where the kubelet answers the API server. */
  readonly port?: number | undefined
}

/** The Node object as the kubelet registers it; its Pod range is the control plane's business. */
export function buildNode(config: KubeletConfig, machine: MachineFacts): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: config.nodeName, labels: nodeLabels(config, machine) }, spec: {} }
}

export const nodeLabels = (config: KubeletConfig, machine: MachineFacts): Readonly<Record<string, string>> => ({
  'kubernetes.io/hostname': config.nodeName,
  'kubernetes.io/os': 'linux',
  'kubernetes.io/arch': machine.architecture,
  ...config.nodeLabels,
})

export function buildNodeStatus(input: NodeStatusInput): NodeStatus {
  const { config, machine, runtimeVersion, images, port } = input
  const capacity = {
    cpu: String(machine.capacity.cpus),
    memory: `${Math.floor(machine.capacity.memoryBytes / 1024)}Ki`,
    pods: maxPods,
  }
  return {
    addresses: [
      ...[config.nodeAddress, ...(config.furtherAddresses ?? [])].map(address => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: config.nodeName },
    ],
    ...(port !== undefined && { daemonEndpoints: { kubeletEndpoint: { Port: port } } }),
    capacity,
    allocatable: capacity,
    conditions: nodeConditions(input),
    nodeInfo: {
      machineID: machine.machineId,
      systemUUID: machine.systemUuid,
      bootID: machine.bootId,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: runtimeVersion,
      kubeletVersion,
      kubeProxyVersion: kubeletVersion,
      operatingSystem: 'linux',
      architecture: machine.architecture,
    },
    images: images.map(({ names, sizeBytes }) => ({ names, sizeBytes })),
  }
}

/** Ready only when the runtime answers and a CNI configuration is in place: before that a Pod would wait here for nothing. */
function nodeConditions({ condition, before, nowMs }: NodeStatusInput): readonly NodeCondition[] {
  const now = timestamp(nowMs)
  const isReady = condition.isRuntimeReady && condition.isNetworkReady
  const enough = (type: string, reason: string, message: string) => ({ type, status: 'False', reason, message })
  const conditions = [
    enough('MemoryPressure', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    enough('DiskPressure', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    enough('PIDPressure', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    isReady
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: condition.message || 'container runtime is not ready' },
  ]
  return conditions.map(one => {
    const old = before.find(({ type }) => type === one.type)
    const lastTransitionTime = old?.status === one.status ? (old.lastTransitionTime ?? now) : now
    return { ...one, lastHeartbeatTime: now, lastTransitionTime }
  })
}
