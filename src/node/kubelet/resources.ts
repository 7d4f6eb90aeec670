import type { Container, Pod } from '../../api/generated/types.js'
import { milliValue, wholeValue } from '../../api/quantity.js'
import type { ContainerResources } from './pod-runtime.js'

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

const counted = ['cpu', 'memory'] as const

/**
 * How well a Pod's CPU and memory are kept for it: Guaranteed when every container's limits equal its requests, BestEffort without any.
 */
export function qosClassOf(pod: Pod): QosClass {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  const amounts = containers.map(({ resources: { limits = {}, requests = {} } = {} }) =>
    counted.map(name => ({ limit: milliValue(limits[name] ?? 0), request: milliValue(requests[name] ?? limits[name] ?? 0) })),
  )
  if (amounts.flat().every(({ limit, request }) => limit === 0 && request === 0)) return 'BestEffort'
  return amounts.flat().every(({ limit, request }) => limit > 0 && limit === request) ? 'Guaranteed' : 'Burstable'
}

/** A container's share of the node in the units of the kernel's cgroups. */
export function buildContainerResources(pod: Pod, container: Container, memoryCapacity: number): ContainerResources {
  const { limits = {}, requests = {} } = container.resources ?? {}
  const cpuLimit = milliValue(limits.cpu ?? 0)
  const cpuRequest = milliValue(requests.cpu ?? limits.cpu ?? 0)
  const memoryRequest = wholeValue(requests.memory ?? limits.memory ?? 0)
  return {
    // The kernel takes no share below 2 (cgroup v1, cpu.shares).
    cpuShares: Math.max(2, Math.floor((cpuRequest * 1024) / 1000)),
    // A quota below 1 ms is refused by the kernel.
    cpuQuotaUs: cpuLimit === 0 ? 0 : Math.max(1000, cpuLimit * 100),
    memoryLimit: wholeValue(limits.memory ?? 0),
    oomScoreAdj: oomScoreOf(qosClassOf(pod), memoryRequest, memoryCapacity),
  }
}

/** The more memory a Burstable container asked for, the later the kernel ends it; never before BestEffort, never after Guaranteed. */
function oomScoreOf(qos: QosClass, memoryRequest: number, memoryCapacity: number): number {
  if (qos === 'Guaranteed') return -997
  if (qos === 'BestEffort') return 1000
  return Math.min(999, Math.max(3, Math.floor(1000 - (1000 * memoryRequest) / memoryCapacity)))
}
