import { type Ip, nthAddress, parseCidr, parseIp } from '../base/net/address.js'
import type { NodeStack, Peer, PodInterface } from '../cni/datapath.js'
import { nodeDatapath, nodeDevices, podMtu } from '../cni/node-datapath.js'
import { podInterfaces } from '../cni/pod-interface.js'
import { macOfAddress } from '../cni/pod-names.js'
import { routedGateways } from '../cni/routed-end.js'
import { execIptables } from '../kernel/exec-iptables.js'
import { localMachine } from '../kernel/local-machine.js'
import { openRtnetlink } from '../kernel/netlink-rtnetlink.js'
import { createNetns, type NetnsHandle, withNetns } from '../kernel/netns.js'

/** How Pods of two nodes are connected. */
export type PodWay = 'vxlan' | 'routed' | 'bridge'

/** A Pod and the address by which others reach it. */
export interface BenchPod {
  readonly netns: NetnsHandle
  readonly address: Ip
}

/** A client, a Pod on its node and one on another. */
export interface PodNodes {
  readonly client: BenchPod
  readonly near: BenchPod
  readonly far: BenchPod
  close(): void
}

const underlayMtu = 1500

/** A node in a namespace of its own, on a segment with the other; Pods of node n are 10.244.n.0/24. */
interface BareNode {
  readonly n: number
  readonly netns: NetnsHandle
  readonly address: Ip
  /** Namespaces of Pods to be, with their addresses. */
  readonly pods: readonly BenchPod[]
}

/** Two nodes whose Pods our datapath connects. */
export async function podwireNodes(way: PodWay, signal: AbortSignal): Promise<PodNodes> {
  return withBareNodes(async (nodes, closers) => {
    const mtu = podMtu(way, underlayMtu)
    const started = await Promise.all(
      nodes.map(async node => {
        const stack = stackOf(node.netns, closers)
        const datapath = nodeDatapath(stack, {
          kind: way,
          uplink: 'eth0',
          underlay: [{ address: node.address, prefix: 24 }],
          underlayMtu,
          podRanges: [podRange(node.n)],
          clusterRanges: [clusterRange],
          vni: 1,
          port: 4789,
        })
        const marks = await datapath.setUpNode(signal)
        for (const pod of node.pods) datapath.add(bridgedPod(node.n, pod, mtu))
        const peer: Peer = { node: `node-${node.n}`, addresses: [node.address], podRanges: [podRange(node.n)], ...marks }
        return { datapath, peer }
      }),
    )
    for (const { datapath, peer } of started)
      await datapath.peersChanged(
        started.map(each => each.peer).filter(other => other !== peer),
        signal,
      )
  })
}

/** One node that routes to each of its Pods by itself, without a bridge; both are near. */
export async function routedPods(): Promise<PodNodes> {
  return withBareNodes(async (nodes, closers) => {
    for (const node of nodes) {
      const datapath = podInterfaces(stackOf(node.netns, closers))
      for (const pod of node.pods) {
        const addresses = [{ address: pod.address, prefix: 32, gateway: routedGateways[4] }]
        const routes = [{ destination: 'default', gateway: routedGateways[4] }]
        datapath.add({ ...bridgedPod(node.n, pod, underlayMtu), bridge: undefined, addresses, routes })
      }
    }
  })
}

/** The same as `podwireNodes` of that way, made by hand with `ip`. */
export async function handMadeNodes(way: PodWay, signal: AbortSignal): Promise<PodNodes> {
  return withBareNodes(async nodes => {
    const mtu = podMtu(way, underlayMtu)
    for (const node of nodes) {
      const other = nodes.find(each => each !== node) ?? node
      await batch(node.netns, 'ip', nodeCommands(way, { node, other, mtu }), signal)
      if (way === 'vxlan') await batch(node.netns, 'bridge', [`fdb append ${tunnelMac(other.n)} dev vxlan0 dst ${other.address}`], signal)
      const { run } = localMachine.enter(node.netns.path)
      await run(['sysctl', '-qw', 'net.ipv4.ip_forward=1'], { signal })
      // Ours translates what leaves the cluster, and the kernel then tracks every connection.
      const leaving = ['-s', podRange(node.n), '!', '-d', clusterRange, '-j', 'MASQUERADE', '--random-fully']
      await run(['iptables', '-w', '-t', 'nat', '-A', 'POSTROUTING', ...leaving], { signal })
      for (const pod of node.pods) await batch(pod.netns, 'ip', podCommands(node.n, pod), signal)
    }
  })
}

/** Two Pods on the ends of one veth pair and nothing else: what this kernel can do at all. */
export async function directPods(signal: AbortSignal): Promise<PodNodes> {
  const [one, two] = [createNetns(), createNetns()]
  const close = () => {
    one.close()
    two.close()
  }
  try {
    await batch(
      one,
      'ip',
      [`link add eth0 type veth peer name eth0 netns ${two.path}`, 'address add 10.244.1.2/24 dev eth0', 'link set eth0 up'],
      signal,
    )
    await batch(two, 'ip', ['address add 10.244.1.3/24 dev eth0', 'link set eth0 up'], signal)
    const server = { netns: two, address: parseIp('10.244.1.3') }
    return { client: { netns: one, address: parseIp('10.244.1.2') }, near: server, far: server, close }
  } catch (error) {
    close()
    throw error
  }
}

const clusterRange = parseCidr('10.244.0.0/16')
const podRange = (n: number) => parseCidr(`10.244.${n}.0/24`)
const tunnelMac = (n: number): string => macOfAddress(nthAddress(podRange(n), 0))
const vethOf = ({ address }: BenchPod): string => `veth${address.replaceAll('.', '').slice(-6)}`

async function withBareNodes(connect: (nodes: readonly BareNode[], closers: (() => void)[]) => Promise<void>): Promise<PodNodes> {
  const closers: (() => void)[] = []
  const close = () => {
    for (const each of closers.reverse()) each()
  }
  try {
    const newNetns = (): NetnsHandle => {
      const netns = createNetns()
      closers.push(() => netns.close())
      return netns
    }
    const newPod = (n: number, place: number): BenchPod => ({ netns: newNetns(), address: nthAddress(podRange(n), place) })
    const wire = newNetns()
    const links = withNetns(wire.path, openRtnetlink)
    closers.push(() => links.close())
    links.addBridge({ name: 'br0', mtu: underlayMtu })
    const bridge = links.link('br0')?.index ?? 0
    links.changeLink(bridge, { up: true })
    const [client, near, far] = [newPod(1, 2), newPod(1, 3), newPod(2, 2)]
    const nodes = [[client, near], [far]].map((pods, i): BareNode => {
      const node: BareNode = { n: i + 1, netns: newNetns(), address: parseIp(`172.30.0.${11 + i}`), pods }
      links.addVeth({ name: `p${i}`, mtu: underlayMtu, peer: { name: 'eth0', netnsFd: node.netns.fd } })
      links.changeLink(links.link(`p${i}`)?.index ?? 0, { master: bridge, up: true })
      const inside = withNetns(node.netns.path, openRtnetlink)
      try {
        const uplink = inside.link('eth0')?.index ?? 0
        inside.addAddress({ link: uplink, cidr: `${node.address}/24` })
        inside.changeLink(uplink, { up: true })
      } finally {
        inside.close()
      }
      return node
    })
    await connect(nodes, closers)
    return { client, near, far, close }
  } catch (error) {
    close()
    throw error
  }
}

function stackOf(netns: NetnsHandle, closers: (() => void)[]): NodeStack {
  const rtnetlink = withNetns(netns.path, openRtnetlink)
  closers.push(() => rtnetlink.close())
  const { run } = localMachine.enter(netns.path)
  return { enter: fn => withNetns(netns.path, fn), rtnetlink, iptables: execIptables(run), run }
}

function bridgedPod(n: number, pod: BenchPod, mtu: number): PodInterface {
  const gateway = nthAddress(podRange(n), 1)
  return {
    netns: pod.netns.path,
    ifname: 'eth0',
    hostVeth: vethOf(pod),
    alias: pod.address,
    mac: macOfAddress(pod.address),
    mtu,
    bridge: nodeDevices.bridge,
    group: 1,
    addresses: [{ address: pod.address, prefix: 24, gateway }],
    routes: [{ destination: 'default', gateway }],
  }
}

/** Lines for `ip -batch`: what a person would type for this way, with the same devices, addresses and sizes as ours. */
function nodeCommands(
  way: PodWay,
  { node: { n, address, pods }, other, mtu }: { readonly node: BareNode; readonly other: BareNode; readonly mtu: number },
): readonly string[] {
  const there = podRange(other.n)
  const gateway = nthAddress(there, 0)
  const ways: Readonly<Record<PodWay, readonly string[]>> = {
    vxlan: [
      `link add vxlan0 mtu ${mtu} address ${tunnelMac(n)} type vxlan id 1 dstport 4789 local ${address} dev eth0 nolearning`,
      `address add ${nthAddress(podRange(n), 0)}/32 dev vxlan0`,
      'link set vxlan0 up',
      `neigh add ${gateway} lladdr ${tunnelMac(other.n)} dev vxlan0`,
      `route add ${there} via ${gateway} dev vxlan0 onlink`,
    ],
    routed: [`route add ${there} via ${other.address} dev eth0`],
    bridge: [
      'link set eth0 master cni0',
      `address add ${address}/24 dev cni0`,
      `address del ${address}/24 dev eth0`,
      `route add ${there} dev cni0`,
    ],
  }
  return [
    `link add cni0 mtu ${mtu} type bridge`,
    `address add ${nthAddress(podRange(n), 1)}/24 dev cni0`,
    'link set cni0 up',
    ...pods.flatMap(pod => [
      `link add ${vethOf(pod)} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${pod.netns.path}`,
      `link set ${vethOf(pod)} master cni0 up`,
    ]),
    ...ways[way],
  ]
}

const podCommands = (n: number, { address }: BenchPod): readonly string[] => [
  'link set lo up',
  `address add ${address}/24 dev eth0`,
  'link set eth0 up',
  `route add default via ${nthAddress(podRange(n), 1)}`,
]

async function batch(netns: NetnsHandle, program: 'ip' | 'bridge', lines: readonly string[], signal: AbortSignal): Promise<void> {
  await localMachine.enter(netns.path).run([program, '-batch', '-'], { input: `${lines.join('\n')}\n`, signal })
}
