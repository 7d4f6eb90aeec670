import type { Pod, TopologySpreadConstraint } from '../../api/generated/types.js'
import { selectorMatches } from '../../api/selector.js'
import { untolerated } from '../../api/tolerations.js'
import { isSelectedNode } from './node-selection.js'
import type { FilterPlugin, ScorePlugin } from './plugin.js'
import type { NodeInfo, Snapshot } from './snapshot.js'

const constraintsOf = ({ spec }: Pod, whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway') =>
  (spec?.topologySpreadConstraints ?? []).filter(constraint => constraint.whenUnsatisfiable === whenUnsatisfiable)

function selects({ labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint, pod: Pod, other: Pod): boolean {
  return (
    other.metadata?.deletionTimestamp === undefined &&
    other.metadata?.namespace === pod.metadata?.namespace &&
    matchLabelKeys.every(key => other.metadata?.labels?.[key] === pod.metadata?.labels?.[key]) &&
    selectorMatches(labelSelector, other.metadata?.labels)
  )
}

/** How many Pods of the group run in each domain that counts. */
function counts(constraint: TopologySpreadConstraint, pod: Pod, snapshot: Snapshot): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const node of snapshot.nodes) {
    const domain = node.labels[constraint.topologyKey]
    if (domain === undefined) continue
    if (constraint.nodeAffinityPolicy !== 'Ignore' && !isSelectedNode(pod, node)) continue
    if (constraint.nodeTaintsPolicy === 'Honor' && untolerated(node.node.spec?.taints, pod.spec?.tolerations, ['NoSchedule', 'NoExecute']))
      continue
    found.set(domain, (found.get(domain) ?? 0) + node.pods.filter(other => selects(constraint, pod, other)).length)
  }
  return found
}

/** Constraints that must hold. */
export const topologySpread: FilterPlugin = {
  name: 'PodTopologySpread',
  prepare(pod, snapshot) {
    const constraints = constraintsOf(pod, 'DoNotSchedule').map(constraint => {
      const domains = counts(constraint, pod, snapshot)
      const tooFew = domains.size < (constraint.minDomains ?? 1)
      return { constraint, domains, least: tooFew ? 0 : Math.min(...domains.values()), own: selects(constraint, pod, pod) ? 1 : 0 }
    })
    return ({ labels }: NodeInfo) => {
      for (const { constraint, domains, least, own } of constraints) {
        const domain = labels[constraint.topologyKey]
        if (domain === undefined) return "node(s) didn't match pod topology spread constraints (missing required label)"
        if ((domains.get(domain) ?? 0) + own - least > constraint.maxSkew) return "node(s) didn't match pod topology spread constraints"
      }
      return undefined
    }
  },
}

/** Constraints that should hold. */
export const topologySpreadScore: ScorePlugin = {
  name: 'PodTopologySpread',
  weight: 2,
  better: 'lower',
  prepare(pod, snapshot) {
    const constraints = constraintsOf(pod, 'ScheduleAnyway').map(constraint => ({ constraint, domains: counts(constraint, pod, snapshot) }))
    return ({ labels }) =>
      constraints.reduce(
        (total, { constraint, domains }) => total + (domains.get(labels[constraint.topologyKey] ?? '') ?? Math.max(0, ...domains.values())),
        0,
      )
  },
}
