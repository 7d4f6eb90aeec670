/** Every datapath between real network stacks: who reaches whom, by how many hops, and what is left when a peer goes or the datapath changes. */
import t, { type Test } from 'tap'

import { datapathKinds } from '../../src/base/config/agent-config.js'
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

  for (const kind of [...datapathKinds, ...datapathKinds.toReversed()]) {
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
    const sized = (bytes: number) => ['-s', String(bytes - 28)]
    for (const [kind, from, to] of [
      ['vxlan', 1450, 1350],
      ['mixed', 1450, 1350],
      ['routed', 1500, 1400],
    ] as const) {
      await rig.become(kind)
      const target = three.pod.addresses[0]!
      runIn(one.pod.netns, 'ip', 'route', 'flush', 'cache')
      await until(`${kind}: the way`, () => pingFrom(one.pod.netns, target) !== undefined)
      t.equal(pingFrom(one.pod.netns, target, sized(to)), ttls[kind].far, `${kind}: ${to} bytes pass`)
      // The kernel forbids fragmentation of what fits the interface.
      t.equal(pingFrom(one.pod.netns, target, sized(from)), undefined, `${kind}: ${from} bytes do not`)
      t.match(runIn(one.pod.netns, 'ip', 'route', 'get', target), new RegExp(`mtu ${to}`), `${kind}: but now the Pod knows the path's MTU`)
      t.equal(pingFrom(one.pod.netns, target, sized(from)), ttls[kind].far, `${kind}: and cuts what is larger`)
    }
  })
})
