import type { SchedulerPlugin } from '../scheduler-plugin.js'
import { isTolerated } from './taints.js'

const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }
const unschedulable = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

/** Keeps Pods off nodes that are cordoned or not Ready, unless they tolerate the taint that says so. */
export const nodeState: SchedulerPlugin = {
  name: 'NodeState',
  filter(pod, { node }) {
    if (node.spec?.unschedulable && !isTolerated(unschedulable, pod)) return 'node(s) were unschedulable'
    const isReady = node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
    return isReady || isTolerated(notReady, pod) ? undefined : 'node(s) were not ready'
  },
}
