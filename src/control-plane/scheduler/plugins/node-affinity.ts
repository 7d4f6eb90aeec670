import type { Node, NodeSelectorRequirement, NodeSelectorTerm } from '../../../api/generated/types.js'
import type { SchedulerPlugin } from '../scheduler-plugin.js'

function requirementHolds({ key, operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0])
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0])
    default:
      return key === ''
  }
}

/** An empty term matches nothing (core/v1 NodeSelectorTerm). */
function termHolds({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false
  return (
    matchExpressions.every(requirement => requirementHolds(requirement, node.metadata?.labels?.[requirement.key])) &&
    matchFields.every(requirement => requirementHolds(requirement, requirement.key === 'metadata.name' ? node.metadata?.name : undefined))
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
