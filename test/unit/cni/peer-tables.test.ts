import t from 'tap'

import { parseCidr, parseIp } from '../../../src/base/net/address.js'
import type { Peer } from '../../../src/cni/datapath.js'
import { peerTables, planPeers, type WantedPeers, wayTo } from '../../../src/cni/peer-tables.js'
import { createFakeRtnetlink } from '../../../src/kernel/fake-rtnetlink.js'
import { routeProtocol } from '../../../src/kernel/rtnetlink.js'

const signal = new AbortController().signal
const peer = (n: number, change: Partial<Peer> = {}): Peer => ({
  node: `node-${n}`,
  addresses: [parseIp(`172.30.0.1${n}`)],
  podRanges: [parseCidr(`10.244.${n}.0/24`)],
  datapath: 'vxlan',
  vtepMac: `0a:58:0a:f4:0${n}:00`,
  underlayMtu: 1500,
  ...change,
})

const wanted = (peers: readonly Peer[], kind: WantedPeers['kind'] = 'vxlan'): WantedPeers => ({
  kind,
  onLink: [parseCidr('172.30.0.0/24')],
  underlayMtu: 1500,
  peers,
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
  rtnetlink.addBridge({ name: 'cni0', mtu: 1450 })
  const bridge = rtnetlink.link('cni0')!.index
  rtnetlink.changeLink(bridge, { up: true })
  const backend = peerTables(rtnetlink, { bridge: 'cni0', uplink: 'eth0', vxlan: 'vxlan0' })
  const sync = async (peers: readonly Peer[], kind?: WantedPeers['kind']) => {
    const plan = backend.plan(wanted(peers, kind), await backend.observe(signal))
    await backend.apply(plan, signal)
    return plan.changes
  }
  return { rtnetlink, uplink, bridge, link, sync, backend }
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
  t.match(await sync([peer(2, { addresses: [parseIp('172.30.0.99')] }), peer(3)]), [{ replace: 'fdb', entry: { address: '172.30.0.99' } }])
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
  const elsewhere = { destination: '10.98.0.0/16', gateway: '172.30.0.1', link: uplink, protocol: 3 }
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
  const removal = backend.plan(wanted([]), await backend.observe(signal))
  rtnetlink.deleteRoute({ destination: '10.244.2.0/24' })
  rtnetlink.deleteNeighbour({ link, mac: '0a:58:0a:f4:02:00', address: '10.244.2.0', permanent: true })
  await backend.apply(removal, signal)
  t.strictSame(rtnetlink.fdb(), [])
})

t.test('the plan is the same whatever the order of the peers', async t => {
  const nothing = { links: { bridge: 2, uplink: 3, vxlan: 4 }, routes: [], neighbours: [], fdb: [] }
  t.strictSame(planPeers(wanted([peer(3), peer(2)]), nothing), planPeers(wanted([peer(2), peer(3)]), nothing))
})

t.test('every datapath has its own way to a peer, also while the cluster changes from one to another', async t => {
  const near = (change: Partial<Peer>) => peer(2, change)
  const away = (change: Partial<Peer>) => peer(3, { addresses: [parseIp('172.30.1.13')], ...change })
  const ended = { vtepMac: undefined }
  const way = (kind: WantedPeers['kind'], to: Peer) => wayTo(wanted([], kind), to)
  t.strictSame(
    [way('vxlan', near({})), way('vxlan', away({})), way('mixed', near({})), way('mixed', away({}))],
    ['tunnel', 'tunnel', 'direct', 'tunnel'],
  )
  t.strictSame(
    [way('vxlan', near(ended)), way('vxlan', near({ ...ended, datapath: 'routed' }))],
    [undefined, 'direct'],
    'no tunnel end yet',
  )
  const routed = { ...ended, datapath: 'routed' as const }
  t.strictSame([way('routed', near(routed)), way('routed', away(routed)), way('routed', away({}))], ['direct', 'bgp', 'tunnel'])
  const bridge = { ...ended, datapath: 'bridge' as const }
  t.strictSame([way('bridge', near(bridge)), way('bridge', near({})), way('bridge', away(bridge))], ['flat', 'direct', undefined])
})

t.test('a change of the datapath moves the routes in place and takes the rest away', async t => {
  const { sync, rtnetlink, uplink, bridge } = setUp()
  await sync([peer(2)])
  const route = { destination: '10.244.2.0/24', protocol: routeProtocol }
  const routed = peer(2, { datapath: 'routed', vtepMac: undefined })
  t.match(await sync([routed], 'routed'), [
    { replace: 'route', entry: { ...route, gateway: '172.30.0.12', link: uplink } },
    { remove: 'neighbour' },
    { remove: 'fdb' },
  ])
  t.match(await sync([peer(2, { datapath: 'bridge', vtepMac: undefined })], 'bridge'), [
    { entry: { ...route, link: bridge, scope: 'link' } },
  ])
  t.equal(rtnetlink.routes().filter(({ protocol }) => protocol === routeProtocol).length, 1)
})

t.test('a peer on a narrower segment is told of in the route', async t => {
  const { sync } = setUp()
  await sync([peer(2)])
  t.match(await sync([peer(2, { underlayMtu: 1400 })]), [{ replace: 'route', entry: { mtu: 1350 } }])
  t.match(await sync([peer(2, { underlayMtu: 9000 })]), [{ replace: 'route', entry: { mtu: undefined } }])
})
