import type { Pod } from '../../api/generated/types.js'
import { hostPorts } from './plugins/host-ports.js'
import { nodeAffinity } from './plugins/node-affinity.js'
import { nodeResources } from './plugins/node-resources.js'
import { nodeState } from './plugins/node-state.js'
import { podAffinity } from './plugins/pod-affinity.js'
import { taintToleration } from './plugins/taints.js'
import { topologySpread } from './plugins/topology-spread.js'
import type { SchedulerPlugin } from './scheduler-plugin.js'
import type { NodeInfo, Snapshot } from './snapshot.js'

/** Asked in this order; the first reason against a node is the one reported. */
export const schedulerPlugins: readonly SchedulerPlugin[] = [
  nodeState,
  taintToleration,
  nodeAffinity,
  hostPorts,
  nodeResources,
  topologySpread,
  podAffinity,
]

export type Choice = { readonly node: string } | { readonly node: undefined; readonly message: string }

/** The best node for the Pod; of equals the one with the fewest Pods, then by name, so that the same cluster gives the same answer. */
export function chooseNode(pod: Pod, snapshot: Snapshot, plugins: readonly SchedulerPlugin[] = schedulerPlugins): Choice {
  const reasons = new Map<string, number>()
  const fitting: NodeInfo[] = []
  for (const node of snapshot.nodes) {
    const reason = firstReason(pod, node, snapshot, plugins)
    if (reason === undefined) fitting.push(node)
    else reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  if (fitting.length === 0) return { node: undefined, message: unschedulableMessage(snapshot.nodes.length, reasons) }
  const scored = fitting.map(node => ({ node, score: totalScore(pod, node, snapshot, plugins) }))
  scored.sort((a, b) => b.score - a.score || a.node.pods.length - b.node.pods.length || (a.node.name < b.node.name ? -1 : 1))
  return { node: scored[0]!.node.name }
}

function firstReason(pod: Pod, node: NodeInfo, snapshot: Snapshot, plugins: readonly SchedulerPlugin[]): string | undefined {
  for (const plugin of plugins) {
    const reason = plugin.filter?.(pod, node, snapshot)
    if (reason !== undefined) return reason
  }
  return undefined
}

const totalScore = (pod: Pod, node: NodeInfo, snapshot: Snapshot, plugins: readonly SchedulerPlugin[]): number =>
  plugins.reduce((sum, { score, weight = 1 }) => sum + weight * (score?.(pod, node, snapshot) ?? 0), 0)

/** As kube-scheduler words it: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were not ready.` */
function unschedulableMessage(count: number, reasons: ReadonlyMap<string, number>): string {
  if (count === 0) return 'no nodes available to schedule pods'
  const parts = [...reasons].map(([reason, nodes]) => `${nodes} ${reason}`).sort()
  return `0/${count} nodes are available: ${parts.join(', ')}.`
}
