import type { NodeSelectorTerm, Pod } from '../../api/generated/types.js'
import { matchesLabels, type Requirement } from '../../api/selector.js'
import type { NodeInfo } from './snapshot.js'

/** True when the node meets the Pod's nodeSelector and required node affinity. */
export function isSelectedNode({ spec }: Pod, node: NodeInfo): boolean {
  const plain = Object.entries(spec?.nodeSelector ?? {}).every(([key, value]) => node.labels[key] === value)
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  return plain && (terms === undefined || terms.some(term => matchesTerm(term, node)))
}

/** A term without any expression matches no node. */
export function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, { labels, name }: NodeInfo): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false
  return (
    matchesLabels(matchExpressions.map(asRequirement), labels) && matchesLabels(matchFields.map(asRequirement), { 'metadata.name': name })
  )
}

const asRequirement = ({
  key,
  operator,
  values = [],
}: {
  readonly key: string
  readonly operator: string
  readonly values?: readonly string[]
}): Requirement => ({
  key,
  operator: operator as Requirement['operator'],
  values,
})
