import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Cidr, cidrParts, type Ip, parseCidr, parseIp } from '../../src/base/net/address.js'
import type { Datapath, NodeStack, Peer } from '../../src/cni/datapath.js'
import { nodeDatapath, nodeDevices } from '../../src/cni/node-datapath.js'
import { type CniAnswer, createCniPlugin } from '../../src/cni/plugin.js'
import type { CniCommand } from '../../src/cni/request.js'
import { execIptables } from '../../src/kernel/exec-iptables.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { openRtnetlink } from '../../src/kernel/netlink-rtnetlink.js'
import { createNetns, type NetnsHandle, withNetns } from '../../src/kernel/netns.js'

export const clusterRange = parseCidr('10.244.0.0/16')

/** A node as far as the network goes: a namespace with an uplink, and the datapath and plugin that work on it. */
export interface CniNode {
  readonly name: string
  readonly address: Ip
  readonly podRange: Cidr
  readonly netns: NetnsHandle
  readonly stack: NodeStack
  readonly datapath: Datapath
  readonly stateDir: string
  readonly conf: Readonly<Record<string, unknown>>
  /** Calls the plugin as a runtime would. */
  call(command: CniCommand, container: CniContainer | undefined, extra?: Readonly<Record<string, unknown>>): Promise<CniAnswer>
  /** How other nodes see it; after `setUpNode`. */
  peer(): Peer
}

/** A container as the runtime names it to the plugin. */
export interface CniContainer {
  readonly id: string
  readonly netns: NetnsHandle
  readonly pod: string
}

/** Nodes on one underlay segment, each with a state directory of its own. Nothing outlives `close`. */
export interface CniNodes {
  readonly nodes: readonly CniNode[]
  newContainer(pod: string): CniContainer
  close(): void
}

/** A command in a namespace: its output, or its failure as an error. */
export const runIn = (netns: NetnsHandle, ...argv: [string, ...string[]]): string =>
  withNetns(netns.path, () => execFileSync(argv[0], argv.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }))

/** `count` nodes at 172.30.0.11, .12, … whose Pods are 10.244.1.0/24, 10.244.2.0/24, …, joined by a bridge in a namespace of its own. */
export function createCniNodes(count: number, underlayMtu = 1500): CniNodes {
  const closers: (() => void)[] = []
  const netns = (): NetnsHandle => {
    const handle = createNetns()
    closers.push(() => handle.close())
    return handle
  }
  const underlay = netns()
  const wire = withNetns(underlay.path, openRtnetlink)
  closers.push(() => wire.close())
  wire.addBridge({ name: 'br0', mtu: underlayMtu })
  const bridge = wire.link('br0')!.index
  wire.changeLink(bridge, { up: true })

  const nodes = Array.from({ length: count }, (_, i): CniNode => {
    const [name, address, podRange] = [`node-${i + 1}`, parseIp(`172.30.0.${11 + i}`), parseCidr(`10.244.${i + 1}.0/24`)]
    const own = netns()
    wire.addVeth({ name: `p${i + 1}`, mtu: underlayMtu, peer: { name: 'eth0', netnsFd: own.fd } })
    wire.changeLink(wire.link(`p${i + 1}`)!.index, { master: bridge, up: true })
    const rtnetlink = withNetns(own.path, openRtnetlink)
    closers.push(() => rtnetlink.close())
    rtnetlink.changeLink(rtnetlink.link('lo')!.index, { up: true })
    const uplink = rtnetlink.link('eth0')!.index
    rtnetlink.addAddress({ link: uplink, cidr: `${address}/24` })
    rtnetlink.changeLink(uplink, { up: true })

    const stack: NodeStack = {
      enter: fn => withNetns(own.path, fn),
      rtnetlink,
      iptables: execIptables(localMachine.enter(own.path).run),
      run: localMachine.enter(own.path).run,
    }
    const datapath = nodeDatapath(stack, {
      kind: 'vxlan',
      uplink: 'eth0',
      underlay: [{ address, prefix: 24 }],
      underlayMtu,
      podRanges: [podRange],
      clusterRanges: [clusterRange],
      vni: 1,
      port: 4789,
    })
    const plugin = createCniPlugin({ datapath, run: stack.run })
    const stateDir = mkdtempSync(join(tmpdir(), 'podwire-cni-'))
    closers.push(() => rmSync(stateDir, { recursive: true, force: true }))
    const conf = {
      cniVersion: '1.1.0',
      name: 'podwire',
      type: 'podwire',
      datapath: 'vxlan',
      bridge: nodeDevices.bridge,
      mtu: underlayMtu - 50,
      ranges: [podRange],
      stateDir,
    }
    return {
      name,
      address,
      podRange,
      netns: own,
      stack,
      datapath,
      stateDir,
      conf,
      call: (command, container, extra = {}) =>
        plugin({
          env: container === undefined ? { CNI_COMMAND: command } : cniEnv(command, container),
          stdin: JSON.stringify({ ...conf, ...extra }),
        }),
      peer: () => ({
        node: name,
        addresses: [address],
        podRanges: [podRange],
        datapath: 'vxlan',
        vtepMac: rtnetlink.link(nodeDevices.vxlan)?.mac,
        underlayMtu,
      }),
    }
  })

  return {
    nodes,
    newContainer: pod => ({ id: randomBytes(16).toString('hex'), netns: netns(), pod }),
    close() {
      for (const close of closers.reverse()) close()
    },
  }
}

/** The variables a runtime sets for a container of a Pod `namespace/name`. */
export function cniEnv(command: CniCommand, { id, netns, pod }: CniContainer): Record<string, string> {
  const [namespace = '', name = ''] = pod.split('/')
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: id,
    CNI_NETNS: netns.path,
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/opt/cni/bin',
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name};K8S_POD_UID=uid-${name};K8S_POD_INFRA_CONTAINER_ID=${id}`,
  }
}

/** The n-th address of a node's range, as text. */
export const podAddress = (node: CniNode, n: number): string => cidrParts(node.podRange).base.replace(/\d+$/, String(n))
