import { nodes as nodeResource } from '../../api/generated/resources.js'
import type { Node } from '../../api/generated/types.js'
import type { AgentConfig, DatapathKind } from '../../base/config/agent-config.js'
import { cidrContains, parseCidr, parseIp } from '../../base/net/address.js'
import type { Clock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import type { Informer } from '../../client/informer.js'
import { openAttachmentStore } from '../../cni/attachment-store.js'
import { findChainedPlugins } from '../../cni/chained-plugins.js'
import type { NodeStack, Peer } from '../../cni/datapath.js'
import { type CniFiles, installCni } from '../../cni/install.js'
import { nodeDatapath, nodeDevices, podMtu } from '../../cni/node-datapath.js'
import { ensurePodMtu } from '../../cni/pod-mtu.js'
import { segmentRange, type UnderlayAddress } from '../../cni/uplink.js'
import type { Bird } from '../../kernel/bird.js'
import { createRunner, type Runner } from '../../reconcile/runner.js'
import { type NodeSettings, nodeNetwork } from './node-network.js'
import { buildPeers, marksOf, marksPatch, podRangesOf } from './node-peers.js'

/** The part of the agent's configuration that the Pod network follows. */
export type PodNetworkConfig = Pick<
  AgentConfig,
  'nodeName' | 'uplink' | 'underlay' | 'underlayMtu' | 'podCidr' | 'podCidr6' | 'datapath' | 'bgp' | 'cni'
>

export interface PodNetworkParts {
  readonly client: Client
  readonly nodes: Informer<Node>
  readonly stack: NodeStack
  /** The daemon for routes to other segments. */
  readonly bird?: Bird | undefined
  readonly programs: Pick<CniFiles, 'forwarder' | 'plugin' | 'node'>
  /** What the cluster wants Pod packets moved by; undefined while nobody has said. */
  readonly wantedKind: () => DatapathKind | undefined
  readonly clock: Clock
  readonly onError: (error: unknown) => void
  /** Called when Pods can be added, and again when something about their network has changed. */
  readonly onReady: (settings: NodeSettings) => void
}

/** Others' changes of devices and routes are put right so often. */
const intervals = { minIntervalMs: 10, retryIntervalMs: 250, maxIntervalMs: 30_000, observeIntervalMs: 60_000 }

/** The network of this node's Pods, kept as its Node, its peers and the cluster's choice of a datapath say. */
export function podNetwork(config: PodNetworkConfig, parts: PodNetworkParts): Runner {
  const { client, nodes, stack, clock } = parts
  const { nodeName, cni } = config
  const underlay = config.underlay.map(
    ({ address, prefix, gateway }): UnderlayAddress => ({
      address: parseIp(address),
      prefix,
      ...(gateway !== undefined && { gateway: parseIp(gateway) }),
    }),
  ) as [UnderlayAddress, ...UnderlayAddress[]]
  const clusterRanges = [config.podCidr, ...(config.podCidr6 === undefined ? [] : [config.podCidr6])].map(parseCidr)

  let kind = config.datapath.kind

  /** What this node cannot do, as `DATAPATH: why`: it would leave peers without a way. */
  function refusalOf(asked: DatapathKind, peers: readonly Peer[]): string | undefined {
    const isNear = ({ addresses }: Peer) => addresses.some(address => underlay.some(own => cidrContains(segmentRange(own), address)))
    const far = peers.find(peer => !isNear(peer))
    if (far === undefined) return undefined
    if (asked === 'bridge') return `bridge: ${far.node} stands on another segment, and a flat layer 2 ends with the segment`
    if (asked === 'routed' && config.bgp === undefined)
      return `routed: ${far.node} stands on another segment, and nobody tells the way by BGP`
    return undefined
  }

  /** Runtimes find the configuration of the network only when Pods can be added. */
  async function onSetUp(settings: NodeSettings, signal: AbortSignal): Promise<void> {
    const mtu = podMtu(settings.kind, config.underlayMtu)
    ensurePodMtu(stack.rtnetlink, openAttachmentStore(cni.stateDir).list(), mtu)
    const chained = await findChainedPlugins(cni.chainedDir, stack.run, signal)
    await installCni(
      { confDir: cni.confDir, binDir: cni.binDir, ...parts.programs, chained },
      { datapath: settings.kind, bridge: nodeDevices.bridge, mtu, stateDir: cni.stateDir, ranges: settings.podRanges },
    )
    parts.onReady(settings)
  }

  const runner = createRunner({
    ...intervals,
    clock,
    backend: nodeNetwork({
      datapathFor: ({ kind, podRanges }) => {
        const { vni, port } = config.datapath
        const { uplink, underlayMtu, bgp } = config
        return nodeDatapath(stack, { kind, uplink, underlay, underlayMtu, podRanges, clusterRanges, vni, port, bgp }, parts.bird)
      },
      onSetUp,
      async publish(marks, signal) {
        const patch = { metadata: { annotations: marksPatch(marks) } }
        await client.patch(nodeResource, { name: nodeName }, patch, { type: 'merge' }, signal)
      },
    }),
    desired() {
      const own = nodes.get(nodeName)
      const podRanges = podRangesOf(own)
      if (podRanges.length === 0) return undefined
      const peers = buildPeers(nodes.list(), nodeName)
      const asked = parts.wantedKind() ?? config.datapath.kind
      const refusal = refusalOf(asked, peers)
      if (refusal === undefined) kind = asked
      return { kind, podRanges, published: marksOf(own), peers, refusal }
    },
    onError: parts.onError,
  })
  nodes.onChange(runner.trigger)
  return runner
}
