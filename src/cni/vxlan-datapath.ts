import type { Cidr, Ip } from '../base/net/address.js'
import type { Datapath, NodeStack } from './datapath.js'
import { ensureMasquerade } from './masquerade.js'
import { ensureBridge, ensureNodeSysctls, ensureVxlan } from './node-devices.js'
import { vxlanPeers } from './peers.js'
import { bridgedPods } from './pod-interface.js'

/** Bytes that VXLAN over IPv4 puts before an inner packet: Ethernet 14, IP 20, UDP 8, VXLAN 8. */
export const vxlanOverhead = 50

/** The devices of the overlay on every node. */
export const vxlanDevices = { bridge: 'cni0', vxlan: 'vxlan0' } as const

/** What the overlay needs to know of this node. */
export interface VxlanNode {
  readonly address: Ip
  /** The interface to the underlay. */
  readonly uplink: string
  readonly underlayMtu: number
  /** This node's Pods. */
  readonly podRange: Cidr
  /** All nodes' Pods. */
  readonly clusterRange: Cidr
  readonly vni: number
  readonly port: number
}

/** Pods on a bridge, other nodes' Pods through a VXLAN device with told peers. */
export function vxlanDatapath(stack: NodeStack, node: VxlanNode): Datapath {
  const peers = vxlanPeers(stack.rtnetlink, vxlanDevices.vxlan)
  return {
    name: 'vxlan',
    async setUpNode(signal) {
      const mtu = node.underlayMtu - vxlanOverhead
      ensureBridge(stack.rtnetlink, { name: vxlanDevices.bridge, mtu, range: node.podRange })
      const { mac } = ensureVxlan(stack, {
        name: vxlanDevices.vxlan,
        mtu,
        uplink: node.uplink,
        local: node.address,
        range: node.podRange,
        vni: node.vni,
        port: node.port,
      })
      ensureNodeSysctls(stack.enter, Object.values(vxlanDevices))
      await ensureMasquerade(stack.iptables, { nodeRange: node.podRange, clusterRange: node.clusterRange }, signal)
      return { vtepMac: mac }
    },
    ...bridgedPods(stack),
    async peersChanged(wanted, signal) {
      await peers.apply(peers.plan(wanted, await peers.observe(signal)), signal)
    },
  }
}
