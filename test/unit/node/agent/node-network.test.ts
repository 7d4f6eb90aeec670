import t from 'tap'

import type { Node } from '../../../../src/api/generated/types.js'
import { parseCidr, parseIp } from '../../../../src/base/net/address.js'
import type { Datapath, Peer } from '../../../../src/cni/datapath.js'
import { nodeNetwork } from '../../../../src/node/agent/node-network.js'
import { buildPeers, markAnnotations, marksOf, marksPatch, podRangesOf } from '../../../../src/node/agent/node-peers.js'

const signal = new AbortController().signal
const range = parseCidr('10.244.1.0/24')
const mac = '0a:58:0a:f4:01:00'
const marks = { datapath: 'vxlan', vtepMac: mac, underlayMtu: 1500 } as const
const published = { ...marks, refusal: undefined }
const unpublished = { datapath: undefined, vtepMac: undefined, underlayMtu: undefined, refusal: undefined }
const peer: Peer = {
  node: 'node-2',
  addresses: [parseIp('172.30.0.12')],
  podRanges: [parseCidr('10.244.2.0/24')],
  vtepMac: '0a:58:0a:f4:02:00',
  datapath: 'vxlan',
  underlayMtu: 1500,
}

function setUp() {
  const steps: string[] = []
  const trouble: { publish?: Error } = {}
  const backend = nodeNetwork({
    datapathFor: ({ kind, podRanges }) =>
      ({
        name: kind,
        setUpNode: async () => {
          steps.push(`set up ${podRanges} for ${kind}`)
          return { ...marks, datapath: kind }
        },
        peersChanged: async peers => void steps.push(`peers ${peers.map(({ node }) => node)}`),
      }) as Pick<Datapath, 'name' | 'setUpNode' | 'peersChanged'> as Datapath,
    onSetUp: async ({ podRanges }) => void steps.push(`Pods may come to ${podRanges}`),
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
  const wanted = { kind: 'vxlan', podRanges: [range], peers: [], published: unpublished, refusal: undefined } as const
  let applied = await backend.apply(backend.plan(wanted, await backend.observe(signal)), signal)
  t.strictSame(taken(), [`set up ${range} for vxlan`, `Pods may come to ${range}`, `publish ${mac}`, 'peers '])
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
  const wanted = { kind: 'vxlan', podRanges: [range], peers: [peer], published, refusal: undefined } as const
  const applied = await backend.apply(backend.plan(wanted, undefined), signal)
  t.strictSame(taken(), [`set up ${range} for vxlan`, `Pods may come to ${range}`, 'peers node-2'])
  const moved = parseCidr('10.244.9.0/24')
  await backend.apply(backend.plan({ ...wanted, podRanges: [moved] }, applied), signal)
  t.strictSame(taken(), [`set up ${moved} for vxlan`, `Pods may come to ${moved}`, 'peers node-2'])
  await backend.apply(backend.plan({ ...wanted, kind: 'routed' }, applied), signal)
  t.match(taken(), [`set up ${range} for routed`, `Pods may come to ${range}`, 'publish', 'peers node-2'], 'and so does another datapath')
})

t.test('Pods may come although the API server is away', async t => {
  const { backend, trouble, taken } = setUp()
  trouble.publish = new Error('away')
  await t.rejects(
    backend.apply(
      backend.plan({ kind: 'vxlan', podRanges: [range], peers: [], published: unpublished, refusal: undefined }, undefined),
      signal,
    ),
    { message: 'away' },
  )
  t.strictSame(taken(), [`set up ${range} for vxlan`, `Pods may come to ${range}`])
})

t.test('peers are the other nodes that can be reached', async t => {
  const node = (n: number, change: { podCIDR?: string; address?: string; mac?: string } = {}): Node => ({
    metadata: {
      name: `node-${n}`,
      annotations: { ...marksPatch({ ...published, vtepMac: change.mac ?? `0a:58:0a:f4:0${n}:00` }) } as Record<string, string>,
    },
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
    { ...node(6), metadata: { name: 'node-6' } },
    { metadata: { name: 'node-7' }, spec: { podCIDR: '10.244.7.0/24' } },
  ]
  t.strictSame(
    buildPeers(nodes, 'node-1').map(({ node: name }) => name),
    ['node-2', 'node-3'],
  )
  t.strictSame(buildPeers([node(2)], 'node-1'), [peer])
  t.strictSame(podRangesOf(node(1)), [range])
  for (const podCIDR of ['', 'nonsense', '10.244.1.7/24']) t.strictSame(podRangesOf(node(1, { podCIDR })), [])
  t.strictSame(podRangesOf(undefined), [])
  t.match(marksOf(node(2)), { ...marks, vtepMac: peer.vtepMac })
  t.strictSame(marksOf(node(2, { mac: 'not a MAC' })).vtepMac, undefined)
  t.strictSame(marksPatch({ ...published, vtepMac: undefined })[markAnnotations.vtepMac], null, 'an end that went is taken back')
})
