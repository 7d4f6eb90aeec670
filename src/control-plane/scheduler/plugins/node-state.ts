import { untolerated } from '../../../api/tolerations.js'
import type { SchedulerPlugin } from '../scheduler-plugin.js'

const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }
const unschedulable = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

/** Keeps Pods off nodes that are cordoned or not Ready, unless they tolerate the taint that says so. */
export const nodeState: SchedulerPlugin = {
  name: 'NodeState',
  filter(pod, { node }) {
    const isBarredBy = (taint: typeof notReady) => untolerated([taint], pod.spec?.tolerations, [taint.effect]) !== undefined
    if (node.spec?.unschedulable && isBarredBy(unschedulable)) return 'node(s) were unschedulable'
    const isReady = node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
    return !isReady && isBarredBy(notReady) ? 'node(s) were not ready' : undefined
  },
}
