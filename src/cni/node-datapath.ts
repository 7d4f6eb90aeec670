import type { DatapathKind } from '../base/config/agent-config.js'
import { PodwireError } from '../base/errors/podwire-error.js'
import { type Cidr, cidrParts, type IpFamily } from '../base/net/address.js'
import type { Bird } from '../kernel/bird.js'
import { renderBirdConfig } from './bird-config.js'
import type { Datapath, NodeStack } from './datapath.js'
import { ensureMasquerade } from './masquerade.js'
import { ensureBridge, ensureNodeSysctls, ensureVxlan } from './node-devices.js'
import { giveBackOwnFrames, takeOwnFrames } from './own-frames.js'
import { peerTables, vxlanOverhead } from './peer-tables.js'
import { podInterfaces } from './pod-interface.js'
import { ensureUplink, segmentRange, type UnderlayAddress } from './uplink.js'

/** The devices of podwire on every node. */
export const nodeDevices = { bridge: 'cni0', vxlan: 'vxlan0' } as const

/** What the datapath needs to know of this node. */
export interface DatapathNode {
  readonly kind: DatapathKind
  /** The interface to the underlay. */
  readonly uplink: string
  /** One a family, IPv4 first. */
  readonly underlay: readonly [UnderlayAddress, ...UnderlayAddress[]]
  readonly underlayMtu: number
  /** This node's Pods, one range a family. */
  readonly podRanges: readonly Cidr[]
  /** All nodes' Pods, one range a family. */
  readonly clusterRanges: readonly Cidr[]
  readonly vni: number
  readonly port: number
  /** With whom routes to other segments are exchanged; undefined where there is one segment. */
  readonly bgp?: { readonly localAs: number; readonly neighbourAs: number } | undefined
}

const usesTunnel = (kind: DatapathKind): boolean => kind === 'vxlan' || kind === 'mixed'

/** The largest packet of a Pod: the underlay's, less what a tunnel puts before it where some packets go through one. */
export const podMtu = (kind: DatapathKind, underlayMtu: number): number => underlayMtu - (usesTunnel(kind) ? vxlanOverhead : 0)

/**
 * Pods on a bridge; other nodes' Pods through a VXLAN device with told peers, by routes, or because the bridges are one flat layer 2.
 *
 * A node may change from one kind to another at any time: what the new one does not need goes, except a tunnel that peers still send by.
 */
export function nodeDatapath(stack: NodeStack, node: DatapathNode, bird?: Bird): Datapath {
  const { rtnetlink } = stack
  const { kind, underlay, underlayMtu, podRanges } = node
  const tables = peerTables(rtnetlink, { ...nodeDevices, uplink: node.uplink })
  const mtu = podMtu(kind, underlayMtu)

  return {
    name: kind,
    async setUpNode(signal) {
      const isJoined = kind === 'bridge'
      const uplink = rtnetlink.link(node.uplink)
      if (uplink === undefined) throw new PodwireError('NOT_FOUND', `the node has no interface ${node.uplink} to the underlay`)
      const bridge = ensureBridge(rtnetlink, { name: nodeDevices.bridge, mtu, ranges: podRanges, keep: underlay })
      ensureUplink(rtnetlink, { uplink: uplink.index, bridge: bridge.index, underlay }, isJoined)
      const families = podRanges.map((range): IpFamily => cidrParts(range).family)
      const ownFrames = { ...nodeDevices, uplink: node.uplink, families }
      await (isJoined ? takeOwnFrames : giveBackOwnFrames)(stack, ownFrames, signal)
      const vxlan = usesTunnel(kind)
        ? ensureVxlan(stack, {
            name: nodeDevices.vxlan,
            mtu,
            uplink: node.uplink,
            local: underlay[0].address,
            ranges: podRanges,
            vni: node.vni,
            port: node.port,
          })
        : undefined
      ensureNodeSysctls(stack.enter, { links: [nodeDevices.bridge, ...(vxlan ? [nodeDevices.vxlan] : []), node.uplink], families })
      await masquerade(signal)
      await exchangeRoutes(signal)
      return { datapath: kind, vtepMac: vxlan?.mac, underlayMtu }
    },
    ...podInterfaces(stack),
    async peersChanged(peers, signal) {
      const wanted = { kind, onLink: underlay.map(segmentRange), underlayMtu, peers }
      await tables.apply(tables.plan(wanted, await tables.observe(signal)), signal)
      const isTunnelInUse = usesTunnel(kind) || peers.some(peer => peer.datapath === undefined || usesTunnel(peer.datapath))
      const vxlan = isTunnelInUse ? undefined : rtnetlink.link(nodeDevices.vxlan)
      if (vxlan !== undefined) rtnetlink.deleteLink(vxlan.index)
    },
  }

  async function masquerade(signal: AbortSignal): Promise<void> {
    for (const [i, nodeRange] of podRanges.entries()) {
      const clusterRange = node.clusterRanges[i] ?? nodeRange
      const iptables = cidrParts(nodeRange).family === 4 ? stack.iptables : stack.ip6tables
      if (iptables !== undefined) await ensureMasquerade(iptables, { nodeRange, clusterRange }, signal)
    }
  }

  /** BGP runs where routes are needed that no segment shows; elsewhere it takes away what it brought. */
  async function exchangeRoutes(signal: AbortSignal): Promise<void> {
    if (bird === undefined) return
    if (kind !== 'routed' || node.bgp === undefined) return bird.stop(signal)
    const neighbours = underlay.flatMap(({ address, gateway }) => (gateway === undefined ? [] : [{ local: address, address: gateway }]))
    const ranges = podRanges.map((own, i) => ({ own, cluster: node.clusterRanges[i] ?? own }))
    await bird.ensure(renderBirdConfig({ ...node.bgp, routerId: underlay[0].address, neighbours, ranges }), signal)
  }
}
