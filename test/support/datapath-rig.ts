/**
 * Three nodes with a Pod each, on two segments that a router joins, in namespaces without names; both address families. Nodes 1 and 2 stand on the
 * first segment, node 3 on the second, whose packets are smaller. Datapaths work on them as agents would let them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { DatapathKind } from '../../src/base/config/agent-config.js'
import { type Cidr, cidrParts, type Ip, nthAddress, parseCidr, parseIp } from '../../src/base/net/address.js'
import type { NodeMarks, NodeStack, Peer } from '../../src/cni/datapath.js'
import { nodeDatapath, podMtu } from '../../src/cni/node-datapath.js'
import { ensurePodMtu } from '../../src/cni/pod-mtu.js'
import { hostVethName } from '../../src/cni/pod-names.js'
import type { Bird } from '../../src/kernel/bird.js'
import { execBird } from '../../src/kernel/exec-bird.js'
import { execIptables } from '../../src/kernel/exec-iptables.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { openRtnetlink } from '../../src/kernel/netlink-rtnetlink.js'
import { createNetns, type NetnsHandle, withNetns } from '../../src/kernel/netns.js'
import type { Rtnetlink } from '../../src/kernel/rtnetlink.js'
import { runIn } from './cni-nodes.js'

const segmentMtus = [1500, 1400] as const
const systems = { router: 64_512, ofSegment: [64_513, 64_514] } as const

export interface RigNode {
  readonly name: string
  /** 0 or 1. */
  readonly segment: number
  readonly netns: NetnsHandle
  readonly stack: NodeStack
  readonly addresses: readonly Ip[]
  readonly podRanges: readonly Cidr[]
  readonly pod: { readonly netns: NetnsHandle; readonly addresses: readonly Ip[]; readonly hostVeth: string; readonly ifname: string }
  readonly bird: Bird
  /** As the agent does when the cluster wants this datapath: node, Pods, and what others are told. */
  become(kind: DatapathKind): Promise<void>
  /** What the node tells others after `become`. */
  peer(): Peer
  follow(peers: readonly Peer[]): Promise<void>
}

export interface DatapathRig {
  readonly nodes: readonly [RigNode, RigNode, RigNode]
  readonly router: { readonly netns: NetnsHandle; readonly bird: Bird }
  /** Every node becomes of this kind and follows all others. */
  become(kind: DatapathKind): Promise<void>
  close(): Promise<void>
}

export async function createDatapathRig(signal: AbortSignal): Promise<DatapathRig> {
  const closers: (() => void | Promise<void>)[] = []
  const make = (): { readonly netns: NetnsHandle; readonly links: Rtnetlink } => {
    const netns = createNetns()
    const links = withNetns(netns.path, openRtnetlink)
    closers.push(() => {
      links.close()
      netns.close()
    })
    links.changeLink(links.link('lo')!.index, { up: true })
    return { netns, links }
  }
  const newBird = (netns: NetnsHandle): Bird => {
    const dir = mkdtempSync(join(tmpdir(), 'podwire-bird-'))
    const config = join(dir, 'bird.conf')
    const bird = execBird(localMachine.enter(netns.path).run, { config, configHere: config, socket: join(dir, 'bird.ctl') })
    closers.push(async () => {
      await bird.stop(AbortSignal.timeout(5_000))
      rmSync(dir, { recursive: true, force: true })
    })
    return bird
  }

  const wires = segmentMtus.map(mtu => {
    const { netns, links } = make()
    withNetns(netns.path, () => setSysctl('net/ipv6/conf/default/disable_ipv6', '1'))
    links.addBridge({ name: 'br0', mtu })
    const bridge = links.link('br0')!.index
    links.changeLink(bridge, { up: true })
    let ports = 0
    return (netns: NetnsHandle, name: string): void => {
      const port = `p${ports++}`
      links.addVeth({ name: port, mtu, peer: { name, netnsFd: netns.fd } })
      links.changeLink(links.link(port)!.index, { master: bridge, up: true })
    }
  })
  const underlayOf = (segment: number, place: number) => [
    { address: parseIp(`172.30.${segment}.${place}`), prefix: 24, gateway: parseIp(`172.30.${segment}.1`) },
    { address: parseIp(`fd00:172:30:${segment}::${place}`), prefix: 64, gateway: parseIp(`fd00:172:30:${segment}::1`) },
  ]
  const addressIt = (links: Rtnetlink, name: string, underlay: ReturnType<typeof underlayOf>): number => {
    const { index } = links.link(name)!
    links.changeLink(index, { up: true })
    for (const { address, prefix } of underlay) links.addAddress({ link: index, cidr: `${address}/${prefix}` })
    return index
  }

  const router = make()
  withNetns(router.netns.path, () => {
    setSysctl('net/ipv4/ip_forward', '1')
    setSysctl('net/ipv6/conf/all/forwarding', '1')
  })
  for (const segment of [0, 1] as const) {
    wires[segment]!(router.netns, `eth${segment}`)
    addressIt(router.links, `eth${segment}`, underlayOf(segment, 1))
  }
  const routerBird = newBird(router.netns)
  await routerBird.ensure(routerConfig, signal)

  const clusterRanges = [parseCidr('10.244.0.0/16'), parseCidr('fd00:10:244::/48')]
  const nodes = [0, 0, 1].map((segment, i): RigNode => {
    const name = `node-${i + 1}`
    const { netns, links } = make()
    wires[segment]!(netns, 'eth0')
    const underlay = underlayOf(segment, 11 + i)
    const uplink = addressIt(links, 'eth0', underlay)
    for (const { gateway } of underlay) links.replaceRoute({ destination: 'default', gateway, link: uplink })
    const machine = localMachine.enter(netns.path)
    const stack: NodeStack = {
      enter: fn => withNetns(netns.path, fn),
      rtnetlink: links,
      run: machine.run,
      iptables: execIptables(machine.run),
      ip6tables: execIptables(machine.run, 6),
    }
    const podRanges = [parseCidr(`10.244.${i + 1}.0/24`), parseCidr(`fd00:10:244:${i + 1}::/64`)]
    const bird = newBird(netns)
    const podNetns = make().netns
    const pod = {
      netns: podNetns,
      ifname: 'eth0',
      addresses: podRanges.map(range => nthAddress(range, 5)),
      hostVeth: hostVethName({ namespace: 'default', name, uid: '' }, { containerId: name, ifname: 'eth0' }),
    }
    const underlayMtu = segmentMtus[segment]!
    let datapath: ReturnType<typeof nodeDatapath> | undefined
    let marks: NodeMarks | undefined
    return {
      name,
      segment,
      netns,
      stack,
      addresses: underlay.map(({ address }) => address),
      podRanges,
      pod,
      bird,
      async become(kind) {
        const isFirst = datapath === undefined
        datapath = nodeDatapath(
          stack,
          {
            kind,
            uplink: 'eth0',
            underlay: underlay as [(typeof underlay)[0], ...typeof underlay],
            underlayMtu,
            podRanges,
            clusterRanges,
            vni: 1,
            port: 4789,
            bgp: { localAs: systems.ofSegment[segment]!, neighbourAs: systems.router },
          },
          bird,
        )
        marks = await datapath.setUpNode(signal)
        const mtu = podMtu(kind, underlayMtu)
        if (!isFirst) return ensurePodMtu(links, [{ ...pod, netns: podNetns.path }], mtu)
        datapath.add({
          netns: podNetns.path,
          ifname: pod.ifname,
          hostVeth: pod.hostVeth,
          alias: name,
          mac: `0a:58:0a:f4:0${i + 1}:05`,
          mtu,
          bridge: 'cni0',
          group: 0,
          addresses: podRanges.map(range => ({
            address: nthAddress(range, 5),
            prefix: cidrParts(range).prefix,
            gateway: nthAddress(range, 1),
          })),
          routes: podRanges.map(range => ({ destination: 'default', gateway: nthAddress(range, 1) })),
        })
      },
      peer: () => ({ node: name, addresses: underlay.map(({ address }) => address), podRanges, ...marks! }),
      follow: peers => datapath!.peersChanged(peers, signal),
    }
  }) as [RigNode, RigNode, RigNode]

  const followAll = async () => {
    for (const node of nodes) await node.follow(nodes.filter(other => other !== node).map(other => other.peer()))
  }
  return {
    nodes,
    router: { netns: router.netns, bird: routerBird },
    async become(kind) {
      for (const node of nodes) await node.become(kind)
      await followAll()
    },
    async close() {
      for (const close of closers.reverse()) await close()
    },
  }
}

/** One ping from a node's Pod to an address: the answer's TTL, or undefined when none came. */
export function pingFrom(netns: NetnsHandle, to: string, options: readonly string[] = []): number | undefined {
  try {
    return Number(/ttl=(\d+)/.exec(runIn(netns, 'busybox', 'ping', '-c', '1', '-W', '2', ...options, to))?.[1])
  } catch {
    return undefined
  }
}

const setSysctl = (key: string, value: string): void => writeFileSync(`/proc/sys/${key}`, value)

const session = (segment: 0 | 1, family: 4 | 6): string => `protocol bgp s${segment}v${family} {
  local ${family === 4 ? `172.30.${segment}.1` : `fd00:172:30:${segment}::1`} as ${systems.router};
  neighbor range ${family === 4 ? `172.30.${segment}.0/24` : `fd00:172:30:${segment}::/64`} as ${systems.ofSegment[segment]};
  dynamic name "n${segment}v${family}_";
  ipv${family} { import all; export where source = RTS_BGP; };
}`

const routerConfig = `router id 172.30.0.1;
protocol device { scan time 2; }
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }
protocol kernel { ipv6 { import none; export where source = RTS_BGP; }; }
${session(0, 4)}
${session(0, 6)}
${session(1, 4)}
${session(1, 6)}
`
