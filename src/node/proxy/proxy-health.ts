import type { Node } from '../../api/generated/types.js'
import type { Clock } from '../../base/time/clock.js'

/** The taint by which the cluster autoscaler says that a node is about to go (KEP-3836). */
const aboutToGo = 'ToBeDeletedByClusterAutoscaler'

/** Whether the rules keep up with the objects, and whether load balancers may still send new connections to this node. */
export interface ProxyHealth {
  /** An object changed; the kernel must follow. */
  queued(): void
  /** The kernel holds what the objects said when the sync began, `startedAt` in ms of the clock. */
  synced(startedAt: number): void
  nodeChanged(node: Node | undefined): void
  readonly lastUpdated: number | undefined
  /** No change has waited longer than the limit. */
  isAlive(): boolean
  /** False while the node is being taken away. */
  readonly isNodeEligible: boolean
}

/** `limitMs`: how long a change may wait for the kernel before the proxy is called unhealthy; kube-proxy takes twice its sync period. */
export function createProxyHealth(clock: Clock, limitMs: number): ProxyHealth {
  let oldestQueued: number | undefined
  let newestQueued: number | undefined
  let lastUpdated: number | undefined
  let isNodeEligible = true
  return {
    queued() {
      newestQueued = clock.now()
      oldestQueued ??= newestQueued
    },
    synced(startedAt) {
      lastUpdated = clock.now()
      // What was queued while the sync ran is still to come.
      oldestQueued = newestQueued !== undefined && newestQueued > startedAt ? newestQueued : undefined
    },
    nodeChanged(node) {
      const isGoing = node?.metadata?.deletionTimestamp !== undefined || node?.spec?.taints?.some(({ key }) => key === aboutToGo)
      isNodeEligible = !isGoing
    },
    get lastUpdated() {
      return lastUpdated
    },
    isAlive: () => oldestQueued === undefined || clock.now() - oldestQueued < limitMs,
    get isNodeEligible() {
      return isNodeEligible
    },
  }
}
