/** Every datapath between real network stacks: who reaches whom, by how many hops, and what is left when a peer goes or the datapath changes. */
import t, { type Test } from 'tap'

import type { DatapathKind } from '../../src/base/config/agent-config.js'
import { parseIp } from '../../src/base/net/address.js'
import { runIn } from '../support/cni-nodes.js'
import { createDatapathRig, type DatapathRig, pingFrom, type RigNode } from '../support/datapath-rig.js'
import { until } from '../support/until.js'

const signal = AbortSignal.timeout(110_000)

/** The TTL with which an answer to a Pod arrives, by datapath: the nodes route, and so does the router where nothing is in a tunnel. */
const ttls = {
  vxlan: { near: 62, far: 62 },
  routed: { near: 62, far: 61 },
  mixed: { near: 62, far: 62 },
  bridge: { near: 63, far: undefined },
} as const

const ipRoute = ({ netns }: RigNode, ...words: string[]): string => runIn(netns, 'ip', ...words)

/** Every datapath after every other one: each of the twelve changes once. */
const tour: readonly DatapathKind[] = [
  ...(['vxlan', 'routed', 'vxlan', 'bridge', 'vxlan', 'mixed', 'routed'] as const),
  ...(['bridge', 'routed', 'mixed', 'bridge', 'mixed', 'vxlan'] as const),
]

async function reachEachOther(rig: DatapathRig, kind: keyof typeof ttls, t: Test): Promise<void> {
  const [one, two, three] = rig.nodes
  for (const [f, family] of ['IPv4', 'IPv6'].entries()) {
    const ttlTo = (node: RigNode) => pingFrom(one.pod.netns, node.pod.addresses[f]!)
    await until(`${kind}, ${family}: other node`, () => ttlTo(two) === ttls[kind].near)
    if (kind !== 'bridge') await until(`${kind}, ${family}: other segment`, () => ttlTo(three) === ttls[kind].far)
    t.equal(pingFrom(two.pod.netns, one.pod.addresses[f]!), ttls[kind].near, `${kind}, ${family}: and back`)
    t.equal(pingFrom(one.netns, two.pod.addresses[f]!), 63, `${kind}, ${family}: a node reaches the Pods of another`)
  }
}

t.test('one cluster, each datapath after the other', async t => {
  const rig = await createDatapathRig(signal)
  t.teardown(() => rig.close())
  const [one, two, three] = rig.nodes
  await rig.become('vxlan')
  ipRoute(one, 'route', 'add', '10.99.0.0/16', 'via', '172.30.0.12')
  ipRoute(one, 'link', 'add', 'planted', 'type', 'bridge')

  t.equal(new Set(tour.slice(1).map((kind, i) => `${tour[i]} to ${kind}`)).size, 12)
  for (const kind of tour) {
    await rig.become(kind)
    // The third node cannot be part of a flat layer 2.
    await reachEachOther(rig, kind, t)
    const hasTunnel = kind === 'vxlan' || kind === 'mixed'
    for (const node of rig.nodes) {
      t.equal(node.stack.rtnetlink.link('vxlan0') !== undefined, hasTunnel, `${kind}: a tunnel's device on ${node.name} where it is needed`)
      t.equal((await node.bird.sessions(signal)).length > 0, kind === 'routed', `${kind}: BGP where it is needed`)
    }
    const mtu = hasTunnel ? 1450 : 1500
    t.match(runIn(one.pod.netns, 'ip', 'link', 'show', 'eth0'), new RegExp(`mtu ${mtu} `), `${kind}: Pods have the MTU`)
    const addresses = JSON.parse(ipRoute(one, '-j', 'address', 'show', 'to', '172.30.0.11')) as { ifname: string }[]
    t.strictSame(
      addresses.map(({ ifname }) => ifname),
      [kind === 'bridge' ? 'cni0' : 'eth0'],
      `${kind}: the node's address`,
    )
    t.match(ipRoute(one, 'route', 'show', 'default'), kind === 'bridge' ? /dev cni0/ : /dev eth0/)
  }
  t.match(ipRoute(one, 'route'), /10\.99\.0\.0\/16 via 172\.30\.0\.12/, 'the route of somebody else stays')
  t.ok(one.stack.rtnetlink.link('planted'), 'so does the link')

  t.test('a peer that gets another address or narrower packets is followed, and nothing of what it was stays', async t => {
    const moved = parseIp('172.30.0.22')
    ipRoute(two, 'address', 'add', '172.30.0.22/24', 'dev', 'eth0')
    for (const kind of ['vxlan', 'mixed', 'routed'] as const) {
      await rig.become(kind)
      const peer = two.peer()
      const others = [three.peer()]
      const ownEntries = () =>
        [ipRoute(one, 'route'), kind === 'vxlan' ? runIn(one.netns, 'bridge', 'fdb', 'show', 'dev', 'vxlan0') : ''].join('')
      t.match(ownEntries(), /172\.30\.0\.12/, kind)
      await one.follow([{ ...peer, addresses: [moved, ...peer.addresses.slice(1)] }, ...others])
      t.match(ownEntries(), /172\.30\.0\.22/, `${kind}: it is followed`)
      t.notMatch(ownEntries().replaceAll(/10\.99\.0\.0.*/g, ''), /172\.30\.0\.12/, `${kind}: nothing leads to where it was`)
      t.equal(pingFrom(one.pod.netns, two.pod.addresses[0]!), ttls[kind].near, `${kind}: its Pods are reached there`)
      await one.follow([{ ...peer, underlayMtu: 1300 }, ...others])
      t.match(
        ipRoute(one, 'route', 'show', '10.244.2.0/24'),
        kind === 'vxlan' ? / mtu 1250/ : / mtu 1300/,
        `${kind}: its packets are narrower`,
      )
      await one.follow([peer, ...others])
      t.notMatch(ipRoute(one, 'route', 'show', '10.244.2.0/24'), / mtu /, `${kind}: and wide again`)
    }
    ipRoute(two, 'address', 'del', '172.30.0.22/24', 'dev', 'eth0')
  })

  t.test('BGP tells of nodes that come and go', async t => {
    await rig.become('routed')
    const learnt = () => ipRoute(one, 'route', 'show', 'proto', 'bird')
    await until('the route', () => learnt().includes('10.244.3.0/24 via 172.30.0.1'))
    const isKnown = async () => (await one.bird.sessions(signal)).every(({ routes }) => routes.length > 0)
    await until('both families', isKnown)
    t.match(await one.bird.sessions(signal), [
      { name: 'router4', state: 'Established', routes: ['10.244.3.0/24'] },
      { name: 'router6', state: 'Established', routes: ['fd00:10:244:3::/64'] },
    ])
    await three.bird.stop(signal)
    await until('the route to go', () => learnt().trim() === '')
    t.match(ipRoute(one, 'route'), /10\.244\.2\.0\/24 via 172\.30\.0\.12 dev eth0 proto 86/, 'its own segment needs no BGP')
    await one.follow([])
    t.notMatch(ipRoute(one, 'route'), /proto 86/)
    t.notMatch(ipRoute(one, '-6', 'route'), /proto 86/)
    t.ok(two)
  })

  t.test('a packet that is too large for the way is refused with what would fit, and the sender learns it', async t => {
    // The headers before what ping sends: IP and ICMP.
    const headers = [28, 48]
    for (const [kind, from, to] of [
      ['vxlan', 1450, 1350],
      ['mixed', 1450, 1350],
      ['routed', 1500, 1400],
    ] as const) {
      await rig.become(kind)
      for (const [f, target] of three.pod.addresses.entries()) {
        const name = `${kind}, IPv${f === 0 ? 4 : 6}`
        const sized = (bytes: number) => ['-s', String(bytes - headers[f]!)]
        for (const family of ['-4', '-6']) runIn(one.pod.netns, 'ip', family, 'route', 'flush', 'cache')
        await until(`${name}: the way`, () => pingFrom(one.pod.netns, target) !== undefined)
        t.equal(pingFrom(one.pod.netns, target, sized(to)), ttls[kind].far, `${name}: ${to} bytes pass`)
        // The kernel forbids fragmentation of what fits the interface; of IPv6 only the sender may cut.
        t.equal(pingFrom(one.pod.netns, target, sized(from)), undefined, `${name}: ${from} bytes do not`)
        t.match(
          runIn(one.pod.netns, 'ip', 'route', 'get', target),
          new RegExp(`mtu ${to}`),
          `${name}: but now the Pod knows the path's MTU`,
        )
        const isCut = pingFrom(one.pod.netns, target, sized(from)) === ttls[kind].far
        // br_netfilter puts fragments together and forgets how large they were, so the node sends the whole on; of IPv6 a router cuts nothing.
        if (kind === 'routed' && f === 1) t.notOk(isCut, `known gap: ${name}: what the Pod cuts is put together again`)
        else t.ok(isCut, `${name}: and cuts what is larger`)
      }
    }
  })
})
