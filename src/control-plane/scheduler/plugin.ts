import type { Pod } from '../../api/generated/types.js'
import type { NodeInfo, Snapshot } from './snapshot.js'

/** Says of each node whether a Pod may run there. Pure. */
export interface FilterPlugin {
  readonly name: string
  /** Looks at the Pod once, then at each node: undefined when the Pod may run there, else why not, as events say it. */
  prepare(pod: Pod, snapshot: Snapshot): (node: NodeInfo) => string | undefined
}

/** Compares the nodes that are left. Pure. */
export interface ScorePlugin {
  readonly name: string
  readonly weight: number
  /** `higher` when more is better; scores are then spread over 0 to 100. `absolute` scores are on that scale already. */
  readonly better: 'higher' | 'lower' | 'absolute'
  prepare(pod: Pod, snapshot: Snapshot): (node: NodeInfo) => number
}
