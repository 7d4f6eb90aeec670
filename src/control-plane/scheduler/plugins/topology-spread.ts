import type { LabelSelector, Pod } from '../../../api/generated/types.js'
import { controllerOf } from '../../../api/owners.js'
import { selectorMatches } from '../../../api/selector.js'
import type { SchedulerPlugin } from '../scheduler-plugin.js'
import type { NodeInfo, Snapshot } from '../snapshot.js'
import { nodeAffinity } from './node-affinity.js'

const labelOf = ({ node }: NodeInfo, key: string): string | undefined => node.metadata?.labels?.[key]

/** How many matching Pods each domain has; domains that the Pod may not enter do not count (nodeAffinityPolicy: Honor). */
function countDomains(pod: Pod, topologyKey: string, selector: LabelSelector | undefined, snapshot: Snapshot): Map<string, number> {
  const counts = new Map<string, number>()
  for (const node of snapshot.nodes) {
    const domain = labelOf(node, topologyKey)
    if (domain === undefined || nodeAffinity.filter?.(pod, node, snapshot) !== undefined) continue
    const matching = node.pods.filter(
      ({ metadata }) =>
        metadata?.namespace === pod.metadata?.namespace && !metadata?.deletionTimestamp && selectorMatches(selector, metadata?.labels),
    )
    counts.set(domain, (counts.get(domain) ?? 0) + matching.length)
  }
  return counts
}

/** topologySpreadConstraints, and without any: the Pods of one owner spread over nodes. */
export const topologySpread: SchedulerPlugin = {
  name: 'PodTopologySpread',
  weight: 2,
  filter(pod, node, snapshot) {
    for (const { topologyKey, maxSkew, whenUnsatisfiable, labelSelector } of pod.spec?.topologySpreadConstraints ?? []) {
      if (whenUnsatisfiable !== 'DoNotSchedule') continue
      const domain = labelOf(node, topologyKey)
      if (domain === undefined) return "node(s) didn't match pod topology spread constraints (missing required label)"
      const counts = countDomains(pod, topologyKey, labelSelector, snapshot)
      const self = selectorMatches(labelSelector, pod.metadata?.labels) ? 1 : 0
      const skew = (counts.get(domain) ?? 0) + self - Math.min(...counts.values())
      if (skew > maxSkew) return "node(s) didn't match pod topology spread constraints"
    }
    return undefined
  },
  score(pod, node, snapshot) {
    const soft = pod.spec?.topologySpreadConstraints?.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'ScheduleAnyway') ?? []
    if (soft.length > 0) {
      const shares = soft.map(({ topologyKey, labelSelector }) => {
        const counts = countDomains(pod, topologyKey, labelSelector, snapshot)
        return emptiness(counts.get(labelOf(node, topologyKey) ?? '') ?? Number.POSITIVE_INFINITY, [...counts.values()])
      })
      return shares.reduce((sum, share) => sum + share, 0) / shares.length
    }
    const owner = controllerOf(pod)?.uid
    if (owner === undefined) return 0
    const perNode = snapshot.nodes.map(({ pods }) => pods.filter(other => controllerOf(other)?.uid === owner).length)
    return emptiness(node.pods.filter(other => controllerOf(other)?.uid === owner).length, perNode)
  },
}

/** 100 for the domain with the fewest, 0 for the one with the most. */
function emptiness(count: number, all: readonly number[]): number {
  const most = Math.max(...all)
  const fewest = Math.min(...all)
  if (count > most) return 0
  return most === fewest ? 100 : (100 * (most - count)) / (most - fewest)
}
