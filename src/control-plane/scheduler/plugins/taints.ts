import type { Pod, Taint } from '../../../api/generated/types.js'
import type { SchedulerPlugin } from '../scheduler-plugin.js'

/** True when one of the Pod's tolerations matches the taint (core/v1 Toleration). */
export function isTolerated(taint: Pick<Taint, 'key' | 'effect' | 'value'>, pod: Pod): boolean {
  return (pod.spec?.tolerations ?? []).some(({ key, operator = 'Equal', value = '', effect }) => {
    if (effect && effect !== taint.effect) return false
    if (!key) return operator === 'Exists'
    return key === taint.key && (operator === 'Exists' || value === (taint.value ?? ''))
  })
}

/** Keeps Pods off nodes whose taints they do not tolerate; nodes with few untolerated soft taints are better. */
export const taintToleration: SchedulerPlugin = {
  name: 'TaintToleration',
  weight: 3,
  filter(pod, { node }) {
    const bad = node.spec?.taints?.find(taint => taint.effect !== 'PreferNoSchedule' && !isTolerated(taint, pod))
    return bad && `node(s) had untolerated taint {${bad.key}: ${bad.value ?? ''}}`
  },
  score(pod, { node }) {
    const soft = node.spec?.taints?.filter(taint => taint.effect === 'PreferNoSchedule' && !isTolerated(taint, pod)).length ?? 0
    return 100 / (1 + soft)
  },
}
