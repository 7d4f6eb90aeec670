import { isDeepStrictEqual } from 'node:util'

import type { DatapathKind } from '../../base/config/agent-config.js'
import type { Cidr } from '../../base/net/address.js'
import type { Datapath, NodeMarks, Peer } from '../../cni/datapath.js'
import type { Backend } from '../../reconcile/backend.js'
import type { PublishedMarks } from './node-peers.js'

/** What the Pod network of this node must be. */
export interface NodeNetwork {
  readonly kind: DatapathKind
  /** One a family, IPv4 first. */
  readonly podRanges: readonly Cidr[]
  readonly peers: readonly Peer[]
  /** What other nodes are told of this one, as the API server has it now. */
  readonly published: { readonly [K in keyof PublishedMarks]: PublishedMarks[K] | undefined }
  /** Why this node does not do what the cluster asks; `kind` is then what it had. */
  readonly refusal: string | undefined
}

/** What it is, as far as is known: undefined when nothing is. */
export interface AppliedNodeNetwork {
  readonly kind: DatapathKind
  readonly podRanges: readonly Cidr[]
  readonly datapath: Datapath
  readonly marks: NodeMarks
  readonly peers: readonly Peer[]
}

export interface NodeNetworkPlan {
  readonly wanted: NodeNetwork
  /** What is set up already for the same datapath and ranges; undefined: the node is set up first. */
  readonly known: AppliedNodeNetwork | undefined
}

/** A datapath with the ranges it is for. */
export type NodeSettings = Pick<NodeNetwork, 'kind' | 'podRanges'>

export interface NodeNetworkParts {
  readonly datapathFor: (settings: NodeSettings) => Datapath
  /** Called each time the node has been set up: Pods may come. */
  readonly onSetUp: (settings: NodeSettings, signal: AbortSignal) => Promise<void>
  readonly publish: (marks: PublishedMarks, signal: AbortSignal) => Promise<void>
}

/** The Pod network as a backend, so that one runner retries it, coalesces its changes and puts right what others changed. */
export function nodeNetwork(parts: NodeNetworkParts): Backend<NodeNetwork, AppliedNodeNetwork | undefined, NodeNetworkPlan> {
  return {
    name: 'node-network',
    // Everything a datapath does is true afterwards whatever was before, so nothing need be known.
    observe: async () => undefined,
    plan: (wanted, applied) => {
      const isSame = applied?.kind === wanted.kind && isDeepStrictEqual(applied.podRanges, wanted.podRanges)
      return { wanted, known: isSame ? applied : undefined }
    },
    async apply({ wanted, known }, signal) {
      const { kind, podRanges, peers, published, refusal } = wanted
      const datapath = known?.datapath ?? parts.datapathFor({ kind, podRanges })
      const marks = known?.marks ?? (await datapath.setUpNode(signal))
      if (known === undefined) await parts.onSetUp({ kind, podRanges }, signal)
      const told = { ...marks, refusal }
      if (!isDeepStrictEqual({ ...published }, told)) await parts.publish(told, signal)
      if (!isDeepStrictEqual(known?.peers, peers)) await datapath.peersChanged(peers, signal)
      return { kind, podRanges, datapath, marks, peers }
    },
  }
}
