import { isDeepStrictEqual } from 'node:util'

import type { Cidr } from '../../base/net/address.js'
import type { Datapath, NodeMarks, Peer } from '../../cni/datapath.js'
import type { Backend } from '../../reconcile/backend.js'

/** What the Pod network of this node must be. */
export interface NodeNetwork {
  readonly podRange: Cidr
  readonly peers: readonly Peer[]
  /** What other nodes are told of this one, as the API server has it now. */
  readonly published: Partial<NodeMarks>
}

/** What it is, as far as is known: undefined when nothing is. */
export interface AppliedNodeNetwork {
  readonly podRange: Cidr
  readonly datapath: Datapath
  readonly marks: NodeMarks
  readonly peers: readonly Peer[]
}

export interface NodeNetworkPlan {
  readonly wanted: NodeNetwork
  /** What is set up already for the same range; undefined: the node is set up first. */
  readonly known: AppliedNodeNetwork | undefined
}

export interface NodeNetworkParts {
  readonly datapathFor: (podRange: Cidr) => Datapath
  /** Called each time the node has been set up: Pods may come. */
  readonly onSetUp: (podRange: Cidr) => Promise<void>
  readonly publish: (marks: NodeMarks, signal: AbortSignal) => Promise<void>
}

/** The Pod network as a backend, so that one runner retries it, coalesces its changes and puts right what others changed. */
export function nodeNetwork(parts: NodeNetworkParts): Backend<NodeNetwork, AppliedNodeNetwork | undefined, NodeNetworkPlan> {
  return {
    name: 'node-network',
    // Everything a datapath does is true afterwards whatever was before, so nothing need be known.
    observe: async () => undefined,
    plan: (wanted, applied) => ({ wanted, known: applied?.podRange === wanted.podRange ? applied : undefined }),
    async apply({ wanted, known }, signal) {
      const { podRange, peers, published } = wanted
      const datapath = known?.datapath ?? parts.datapathFor(podRange)
      const marks = known?.marks ?? (await datapath.setUpNode(signal))
      if (known === undefined) await parts.onSetUp(podRange)
      if (published.vtepMac !== marks.vtepMac) await parts.publish(marks, signal)
      if (!isDeepStrictEqual(known?.peers, peers)) await datapath.peersChanged(peers, signal)
      return { podRange, datapath, marks, peers }
    },
  }
}
