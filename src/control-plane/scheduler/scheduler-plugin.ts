import type { Pod } from '../../api/generated/types.js'
import type { NodeInfo, Snapshot } from './snapshot.js'

/** One reason for or against a node. Pure: the same Pod and snapshot give the same answer. */
export interface SchedulerPlugin {
  readonly name: string
  /** Why the Pod cannot stand on the node, as the end of `0/3 nodes are available: 1 …`; undefined when it can. */
  filter?(pod: Pod, node: NodeInfo, snapshot: Snapshot): string | undefined
  /** How good the node is for the Pod, from 0 to 100. */
  score?(pod: Pod, node: NodeInfo, snapshot: Snapshot): number
  /** How much its score counts; 1 when absent. */
  readonly weight?: number
}
