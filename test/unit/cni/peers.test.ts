import t from 'tap'

import { parseCidr, parseIp } from '../../../src/base/net/address.js'
import type { Peer } from '../../../src/cni/datapath.js'
import { planPeers, vxlanPeers } from '../../../src/cni/peers.js'
import { createFakeRtnetlink } from '../../../src/kernel/fake-rtnetlink.js'
import { routeProtocol } from '../../../src/kernel/rtnetlink.js'

const signal = new AbortController().signal
const peer = (n: number, change: Partial<Peer> = {}): Peer => ({
  node: `node-${n}`,
  address: parseIp(`172.30.0.1${n}`),
  podRange: parseCidr(`10.244.${n}.0/24`),
  vtepMac: `0a:58:0a:f4:0${n}:00`,
  ...change,
})

function setUp() {
  const rtnetlink = createFakeRtnetlink()
  rtnetlink.addBridge({ name: 'eth0', mtu: 1500 })
  const uplink = rtnetlink.link('eth0')!.index
  rtnetlink.addAddress({ link: uplink, cidr: '172.30.0.11/24' })
  rtnetlink.changeLink(uplink, { up: true })
  rtnetlink.addVxlan({ name: 'vxlan0', mtu: 1450, vni: 1, port: 4789, local: '172.30.0.11', underlyingLink: uplink })
  const link = rtnetlink.link('vxlan0')!.index
  rtnetlink.changeLink(link, { up: true })
  const backend = vxlanPeers(rtnetlink, 'vxlan0')
  const sync = async (peers: readonly Peer[]) => {
    const plan = backend.plan(peers, await backend.observe(signal))
    await backend.apply(plan, signal)
    return plan.changes
  }
  return { rtnetlink, uplink, link, sync, backend }
}

t.test('a peer is a forwarding entry, a neighbour and a route, in this order', async t => {
  const { sync, link } = setUp()
  t.strictSame(await sync([peer(2)]), [
    { replace: 'fdb', entry: { link, mac: '0a:58:0a:f4:02:00', address: '172.30.0.12', permanent: true } },
    { replace: 'neighbour', entry: { link, mac: '0a:58:0a:f4:02:00', address: '10.244.2.0', permanent: true } },
    {
      replace: 'route',
      entry: { destination: '10.244.2.0/24', gateway: '10.244.2.0', link, onlink: true, protocol: routeProtocol, scope: 'global' },
    },
  ])
  t.strictSame(await sync([peer(2)]), [], 'once made there is nothing to do')
  t.match(
    (await sync([peer(2), peer(3)])).map(change => change.entry),
    [{ address: '172.30.0.13' }, { address: '10.244.3.0' }, { gateway: '10.244.3.0' }],
  )
})

t.test('a peer that changes costs what changed', async t => {
  const { sync, rtnetlink } = setUp()
  await sync([peer(2), peer(3)])
  t.match(await sync([peer(2, { address: parseIp('172.30.0.99') }), peer(3)]), [{ replace: 'fdb', entry: { address: '172.30.0.99' } }])
  const vtepMac = '0a:58:00:00:00:01'
  const changes = await sync([peer(2, { vtepMac }), peer(3)])
  t.match(changes, [{ replace: 'fdb' }, { replace: 'neighbour' }, { remove: 'fdb', entry: { mac: '0a:58:0a:f4:02:00' } }])
  t.equal(changes.length, 3)
  t.strictSame(
    rtnetlink
      .fdb()
      .map(({ mac }) => mac)
      .sort(),
    [vtepMac, '0a:58:0a:f4:03:00'],
  )
})

t.test('nothing of a removed node stays, all of others does', async t => {
  const { sync, rtnetlink, link, uplink } = setUp()
  const foreign = { destination: '10.99.0.0/16', link, scope: 'link' as const, protocol: 3 }
  const elsewhere = { destination: '10.98.0.0/16', gateway: '172.30.0.1', link: uplink, protocol: routeProtocol }
  rtnetlink.replaceRoute(foreign)
  rtnetlink.replaceRoute(elsewhere)
  await sync([peer(2), peer(3)])
  const changes = await sync([peer(3)])
  t.strictSame(
    changes.map(change => ('remove' in change ? change.remove : 'replace')),
    ['route', 'neighbour', 'fdb'],
  )
  await sync([])
  t.strictSame([rtnetlink.fdb(), rtnetlink.neighbours()], [[], []])
  t.strictSame(
    rtnetlink
      .routes()
      .map(({ destination }) => destination)
      .sort(),
    ['10.98.0.0/16', '10.99.0.0/16', '172.30.0.0/24'],
  )
})

t.test('what somebody took away comes back, what goes meanwhile is no error', async t => {
  const { sync, rtnetlink, backend, link } = setUp()
  await sync([peer(2)])
  rtnetlink.deleteRoute({ destination: '10.244.2.0/24' })
  t.match(await sync([peer(2)]), [{ replace: 'route' }])
  const removal = backend.plan([], await backend.observe(signal))
  rtnetlink.deleteRoute({ destination: '10.244.2.0/24' })
  rtnetlink.deleteNeighbour({ link, mac: '0a:58:0a:f4:02:00', address: '10.244.2.0', permanent: true })
  await backend.apply(removal, signal)
  t.strictSame(rtnetlink.fdb(), [])
})

t.test('the plan is the same whatever the order of the peers', async t => {
  const nothing = { link: 4, routes: [], neighbours: [], fdb: [] }
  t.strictSame(planPeers([peer(3), peer(2)], nothing), planPeers([peer(2), peer(3)], nothing))
})
