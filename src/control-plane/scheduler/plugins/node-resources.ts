import { milliValue, wholeValue } from '../../../api/quantity.js'
import { addAmounts, requestsOf } from '../pod-requests.js'
import type { SchedulerPlugin } from '../scheduler-plugin.js'
import type { NodeInfo } from '../snapshot.js'

function allocatableOf({ node }: NodeInfo): { readonly cpuMillis: number; readonly memoryBytes: number; readonly pods: number } {
  const { cpu = 0, memory = 0, pods = 110 } = node.status?.allocatable ?? {}
  return { cpuMillis: milliValue(cpu), memoryBytes: wholeValue(memory), pods: wholeValue(pods) }
}

/** A Pod fits when its requests and those of the Pods there stay within what the node can give; the emptier node is better. */
export const nodeResources: SchedulerPlugin = {
  name: 'NodeResources',
  filter(pod, info) {
    const allocatable = allocatableOf(info)
    const own = requestsOf(pod)
    const total = addAmounts(info.requested, own)
    if (info.pods.length + 1 > allocatable.pods) return 'Too many pods'
    if (own.cpuMillis > 0 && total.cpuMillis > allocatable.cpuMillis) return 'Insufficient cpu'
    if (own.memoryBytes > 0 && total.memoryBytes > allocatable.memoryBytes) return 'Insufficient memory'
    return undefined
  },
  score(pod, info) {
    const allocatable = allocatableOf(info)
    const total = addAmounts(info.requested, requestsOf(pod))
    const free = (used: number, of: number) => (of === 0 ? 0 : Math.max(0, 1 - used / of))
    return 50 * free(total.cpuMillis, allocatable.cpuMillis) + 50 * free(total.memoryBytes, allocatable.memoryBytes)
  },
}
