import t from 'tap'

import type { Node } from '../../../../src/api/generated/types.js'
import { parseCidr, parseIp } from '../../../../src/base/net/address.js'
import type { Datapath, Peer } from '../../../../src/cni/datapath.js'
import { nodeNetwork } from '../../../../src/node/agent/node-network.js'
import { buildPeers, podRangeOf, vtepMacAnnotation } from '../../../../src/node/agent/node-peers.js'

const signal = new AbortController().signal
const range = parseCidr('10.244.1.0/24')
const mac = '0a:58:0a:f4:01:00'
const peer: Peer = { node: 'node-2', address: parseIp('172.30.0.12'), podRange: parseCidr('10.244.2.0/24'), vtepMac: '0a:58:0a:f4:02:00' }

function setUp() {
  const steps: string[] = []
  const trouble: { publish?: Error } = {}
  const backend = nodeNetwork({
    datapathFor: podRange =>
      ({
        name: 'vxlan',
        setUpNode: async () => {
          steps.push(`set up ${podRange}`)
          return { vtepMac: mac }
        },
        peersChanged: async peers => void steps.push(`peers ${peers.map(({ node }) => node)}`),
      }) as Pick<Datapath, 'name' | 'setUpNode' | 'peersChanged'> as Datapath,
    onSetUp: async podRange => void steps.push(`Pods may come to ${podRange}`),
    publish: async ({ vtepMac }) => {
      if (trouble.publish) throw trouble.publish
      steps.push(`publish ${vtepMac}`)
    },
  })
  const taken = () => steps.splice(0)
  return { backend, trouble, taken }
}

t.test('a node is set up once, and peers are told when they change', async t => {
  const { backend, taken } = setUp()
  const wanted = { podRange: range, peers: [], published: {} }
  let applied = await backend.apply(backend.plan(wanted, await backend.observe(signal)), signal)
  t.strictSame(taken(), [`set up ${range}`, `Pods may come to ${range}`, `publish ${mac}`, 'peers '])
  const published = { vtepMac: mac }
  applied = await backend.apply(backend.plan({ ...wanted, published }, applied), signal)
  t.strictSame(taken(), [])
  applied = await backend.apply(backend.plan({ ...wanted, published, peers: [peer] }, applied), signal)
  t.strictSame(taken(), ['peers node-2'])
  applied = await backend.apply(backend.plan({ ...wanted, published, peers: [{ ...peer }] }, applied), signal)
  t.strictSame(taken(), [], 'an equal peer is no change')
  await backend.apply(backend.plan({ ...wanted, peers: [peer] }, applied), signal)
  t.strictSame(taken(), [`publish ${mac}`], 'a Node that was made anew is told again')
})

t.test('another range sets the node up anew; so does every look at the kernel', async t => {
  const { backend, taken } = setUp()
  const wanted = { podRange: range, peers: [peer], published: { vtepMac: mac } }
  const applied = await backend.apply(backend.plan(wanted, undefined), signal)
  t.strictSame(taken(), [`set up ${range}`, `Pods may come to ${range}`, 'peers node-2'])
  const moved = parseCidr('10.244.9.0/24')
  await backend.apply(backend.plan({ ...wanted, podRange: moved }, applied), signal)
  t.strictSame(taken(), [`set up ${moved}`, `Pods may come to ${moved}`, 'peers node-2'])
})

t.test('Pods may come although the API server is away', async t => {
  const { backend, trouble, taken } = setUp()
  trouble.publish = new Error('away')
  await t.rejects(backend.apply(backend.plan({ podRange: range, peers: [], published: {} }, undefined), signal), { message: 'away' })
  t.strictSame(taken(), [`set up ${range}`, `Pods may come to ${range}`])
})

t.test('peers are the other nodes that can be reached', async t => {
  const node = (n: number, change: { podCIDR?: string; address?: string; mac?: string } = {}): Node => ({
    metadata: { name: `node-${n}`, annotations: { [vtepMacAnnotation]: change.mac ?? `0a:58:0a:f4:0${n}:00` } },
    spec: { podCIDR: change.podCIDR ?? `10.244.${n}.0/24` },
    status: {
      addresses: [
        { type: 'Hostname', address: `node-${n}` },
        { type: 'InternalIP', address: change.address ?? `172.30.0.1${n}` },
      ],
    },
  })
  const nodes = [
    node(3),
    node(1),
    node(2),
    node(4, { podCIDR: '' }),
    node(5, { address: 'not an address' }),
    node(6, { mac: 'not a MAC' }),
    { metadata: { name: 'node-7' }, spec: { podCIDR: '10.244.7.0/24' } },
  ]
  t.strictSame(
    buildPeers(nodes, 'node-1').map(({ node: name }) => name),
    ['node-2', 'node-3'],
  )
  t.strictSame(buildPeers([node(2)], 'node-1'), [peer])
  t.equal(podRangeOf(node(1)), range)
  for (const podCIDR of ['', 'nonsense', '10.244.1.7/24']) t.equal(podRangeOf(node(1, { podCIDR })), undefined)
  t.equal(podRangeOf(undefined), undefined)
})
