import type { Node, NodeSelectorTerm } from '../../../api/generated/types.js'
import { matchesLabels, requirementsOf } from '../../../api/selector.js'
import type { SchedulerPlugin } from '../scheduler-plugin.js'

/** An empty term matches nothing (core/v1 NodeSelectorTerm); the only field is the Node's name. */
function termHolds({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, { metadata }: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false
  return (
    matchesLabels(requirementsOf({ matchExpressions }), metadata?.labels) &&
    matchesLabels(requirementsOf({ matchExpressions: matchFields }), { 'metadata.name': metadata?.name ?? '' })
  )
}

/** nodeSelector and nodeAffinity. */
export const nodeAffinity: SchedulerPlugin = {
  name: 'NodeAffinity',
  weight: 2,
  filter(pod, { node }) {
    const labels = node.metadata?.labels ?? {}
    const isSelected = Object.entries(pod.spec?.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)
    const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
    const isFit = isSelected && (required === undefined || required.some(term => termHolds(term, node)))
    return isFit ? undefined : "node(s) didn't match Pod's node affinity/selector"
  },
  score(pod, { node }) {
    const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    const total = preferred.reduce((sum, { weight }) => sum + weight, 0)
    const met = preferred.filter(({ preference }) => termHolds(preference, node)).reduce((sum, { weight }) => sum + weight, 0)
    return total === 0 ? 0 : (100 * met) / total
  },
}
