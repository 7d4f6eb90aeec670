import type { Node, Pod } from '../../api/generated/types.js'
import { isPodTerminal } from '../../api/pod-state.js'
import { type Amounts, addAmounts, noAmounts, requestsOf } from './pod-requests.js'

/** One node with the Pods that stand on it or are about to. */
export interface NodeInfo {
  readonly node: Node
  readonly name: string
  readonly pods: readonly Pod[]
  /** The sum of what its Pods ask for. */
  readonly requested: Amounts
}

/** The cluster as one scheduling decision sees it. */
export interface Snapshot {
  readonly nodes: readonly NodeInfo[]
}

/** Pods that ended need nothing any more; those being deleted still hold what they have. */
export function buildSnapshot(nodes: readonly Node[], pods: readonly Pod[]): Snapshot {
  const byNode = new Map<string, Pod[]>()
  for (const pod of pods) {
    const nodeName = pod.spec?.nodeName
    if (!nodeName || isPodTerminal(pod)) continue
    const own = byNode.get(nodeName)
    if (own) own.push(pod)
    else byNode.set(nodeName, [pod])
  }
  return {
    nodes: nodes.map(node => {
      const name = node.metadata?.name ?? ''
      const own = byNode.get(name) ?? []
      return { node, name, pods: own, requested: own.map(requestsOf).reduce(addAmounts, noAmounts) }
    }),
  }
}
