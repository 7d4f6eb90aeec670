import type { Taint } from '../../../api/generated/types.js'
import { untolerated } from '../../../api/tolerations.js'
import type { SchedulerPlugin } from '../scheduler-plugin.js'

const words = ({ key, value = '' }: Taint): string => `{${key}: ${value}}`

/** Keeps Pods off nodes whose taints they do not tolerate; nodes without untolerated soft taints are better. */
export const taintToleration: SchedulerPlugin = {
  name: 'TaintToleration',
  weight: 3,
  filter(pod, { node }) {
    const bad = untolerated(node.spec?.taints, pod.spec?.tolerations, ['NoSchedule', 'NoExecute'])
    return bad && `node(s) had untolerated taint ${words(bad)}`
  },
  score(pod, { node }) {
    return untolerated(node.spec?.taints, pod.spec?.tolerations, ['PreferNoSchedule']) ? 0 : 100
  },
}
