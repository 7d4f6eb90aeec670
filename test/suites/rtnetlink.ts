import type { Test } from 'tap'

import { type Link, type Neighbour, type Route, type Rtnetlink, routeProtocol } from '../../src/kernel/rtnetlink.js'
import { errnoOf } from '../../src/kernel/syscalls.js'

/** What each implementation of `Rtnetlink` must do; `open` gives one on an empty namespace. IPv6 entries that a kernel makes itself are not looked at. */
export async function rtnetlinkContract(t: Test, open: () => Rtnetlink): Promise<void> {
  const isIpv4 = (text: string) => !text.includes(':')
  const routesOf = (rt: Rtnetlink): readonly Route[] => rt.routes().filter(({ destination }) => isIpv4(destination))
  const addressesOf = (rt: Rtnetlink) => rt.addresses().filter(({ cidr }) => isIpv4(cidr))
  const indexOf = (rt: Rtnetlink, name: string): number => rt.link(name)?.index ?? -1
  const refusal = (work: () => void): string | undefined => {
    try {
      work()
      return undefined
    } catch (error) {
      return errnoOf(error) ?? String(error)
    }
  }
  const withVxlan = (): { rt: Rtnetlink; bridge: number; vxlan: number } => {
    const rt = open()
    rt.addBridge({ name: 'br0', mtu: 1500 })
    const bridge = indexOf(rt, 'br0')
    rt.addAddress({ link: bridge, cidr: '172.30.0.11/24' })
    rt.changeLink(bridge, { up: true })
    rt.addVxlan({ name: 'vxlan0', mtu: 1450, mac: '0a:58:0a:f4:01:00', vni: 1, port: 4789, local: '172.30.0.11', underlyingLink: bridge })
    const vxlan = indexOf(rt, 'vxlan0')
    rt.changeLink(vxlan, { up: true })
    return { rt, bridge, vxlan }
  }

  t.test('an empty namespace has a downed loopback and nothing else', async t => {
    const rt = open()
    t.strictSame(
      rt.links().map(({ name, isUp, kind, mtu }) => ({ name, isUp, kind, mtu })),
      [{ name: 'lo', isUp: false, kind: undefined, mtu: 65536 }],
    )
    t.strictSame([addressesOf(rt), routesOf(rt), rt.neighbours(), rt.fdb()], [[], [], [], []])
    t.equal(rt.link('eth0'), undefined)
  })

  t.test('links are made, changed and listed as they were made', async t => {
    const rt = open()
    rt.addBridge({ name: 'cni0', mtu: 1450, mac: '0a:58:0a:f4:01:01' })
    rt.addVeth({ name: 'veth1', mtu: 1400, mac: '0a:58:00:00:00:01', peer: { name: 'eth0', mac: '0a:58:00:00:00:02' } })
    const [bridge, near, far] = [rt.link('cni0')!, rt.link('veth1')!, rt.link('eth0')!]
    const wanted: Partial<Link> = {
      name: 'veth1',
      kind: 'veth',
      mac: '0a:58:00:00:00:01',
      mtu: 1400,
      isUp: false,
      peer: far.index,
      master: undefined,
    }
    t.match(near, wanted)
    t.match([near.group, near.alias], [0, undefined])
    t.match(far, { mac: '0a:58:00:00:00:02', mtu: 1400, peer: near.index })
    t.match(bridge, { kind: 'bridge', mac: '0a:58:0a:f4:01:01', mtu: 1450 })
    rt.changeLink(near.index, { up: true, master: bridge.index, alias: 'shop/web', group: 7, mtu: 1300, mac: '0a:58:00:00:00:03' })
    rt.changeBridgePort(near.index, { hairpin: true, learning: false })
    t.match(rt.link('veth1'), { isUp: true, master: bridge.index, alias: 'shop/web', group: 7, mtu: 1300, mac: '0a:58:00:00:00:03' })
    rt.changeLink(near.index, { up: false, master: 0 })
    t.match(rt.link('veth1'), { isUp: false, master: undefined, alias: 'shop/web' })
    rt.changeLink(far.index, { name: 'net1' })
    t.equal(rt.link('net1')?.index, far.index)
    rt.deleteLink(near.index)
    t.strictSame(
      rt.links().map(({ name }) => name),
      ['lo', 'cni0'],
      'a veth takes its peer along',
    )
  })

  t.test('a veth is made a port, with a group, in one step', async t => {
    const rt = open()
    rt.addBridge({ name: 'cni0', mtu: 1450 })
    const master = indexOf(rt, 'cni0')
    rt.addVeth({ name: 'veth1', mtu: 1400, group: 4242, master, peer: { name: 'eth0' } })
    t.match(rt.link('veth1'), { master, group: 4242, mtu: 1400 })
    t.equal(rt.link('eth0')?.master, undefined)
    t.equal(rt.link('a-name-that-no-kernel-has'), undefined)
  })

  t.test('a VXLAN device tells its options', async t => {
    const { rt, bridge } = withVxlan()
    t.match(rt.link('vxlan0'), {
      kind: 'vxlan',
      mac: '0a:58:0a:f4:01:00',
      mtu: 1450,
      vxlan: { vni: 1, port: 4789, local: '172.30.0.11', underlyingLink: bridge, learning: false },
    })
  })

  t.test('addresses bring their routes and take them away', async t => {
    const rt = open()
    rt.addBridge({ name: 'br0', mtu: 1500 })
    const link = indexOf(rt, 'br0')
    rt.addAddress({ link, cidr: '10.1.0.1/16' })
    rt.addAddress({ link, cidr: '10.2.0.0/32' })
    t.strictSame(routesOf(rt), [], 'not while the link is down')
    rt.changeLink(link, { up: true })
    const connected = { destination: '10.1.0.0/16', link, source: '10.1.0.1', scope: 'link', protocol: 2 }
    t.strictSame(routesOf(rt), [connected])
    t.strictSame(addressesOf(rt), [
      { link, cidr: '10.1.0.1/16', scope: 'global' },
      { link, cidr: '10.2.0.0/32', scope: 'global' },
    ])
    rt.deleteAddress({ link, cidr: '10.1.0.1/16' })
    t.strictSame([routesOf(rt), addressesOf(rt).length], [[], 1])
  })

  t.test('routes are replaced by destination and found again whole', async t => {
    const { rt, bridge, vxlan } = withVxlan()
    const route: Route = {
      destination: '10.244.2.0/24',
      gateway: '10.244.2.0',
      link: vxlan,
      onlink: true,
      scope: 'global',
      protocol: routeProtocol,
    }
    rt.replaceRoute(route)
    rt.replaceRoute(route)
    rt.replaceRoute({ destination: 'default', gateway: '172.30.0.1' })
    const found = (destination: string) => routesOf(rt).filter(candidate => candidate.destination === destination)
    t.strictSame(found('10.244.2.0/24'), [route])
    t.strictSame(found('default'), [{ destination: 'default', gateway: '172.30.0.1', link: bridge, scope: 'global', protocol: 3 }])
    rt.replaceRoute({ destination: '10.244.2.0/24', gateway: '172.30.0.12', protocol: routeProtocol })
    t.match(found('10.244.2.0/24'), [{ gateway: '172.30.0.12', link: bridge }])
    t.equal(found('10.244.2.0/24').length, 1)
    rt.deleteRoute({ destination: '10.244.2.0/24' })
    t.strictSame(found('10.244.2.0/24'), [])
    rt.replaceRoute(route)
    rt.deleteLink(vxlan)
    t.strictSame(found('10.244.2.0/24'), [], 'a link takes its routes along')
  })

  t.test('neighbours and forwarding entries of a VXLAN device', async t => {
    const { rt, vxlan } = withVxlan()
    const neighbour: Neighbour = { link: vxlan, mac: '0a:58:0a:f4:02:00', address: '10.244.2.0', permanent: true }
    const entry: Neighbour = { ...neighbour, address: '172.30.0.12' }
    for (let i = 0; i < 2; i++) {
      rt.replaceNeighbour(neighbour)
      rt.replaceFdb(entry)
    }
    t.strictSame([rt.neighbours(), rt.fdb()], [[neighbour], [entry]])
    rt.replaceNeighbour({ ...neighbour, mac: '0a:58:00:00:00:99' })
    rt.replaceFdb({ ...entry, address: '172.30.0.13' })
    t.match([rt.neighbours(), rt.fdb()], [[{ mac: '0a:58:00:00:00:99' }], [{ address: '172.30.0.13' }]])
    rt.deleteNeighbour({ ...neighbour, mac: '0a:58:00:00:00:99' })
    rt.deleteFdb({ ...entry, address: '172.30.0.13' })
    t.strictSame([rt.neighbours(), rt.fdb()], [[], []])
  })

  t.test('what the kernel refuses', async t => {
    const { rt, bridge, vxlan } = withVxlan()
    rt.addBridge({ name: 'down0', mtu: 1500 })
    const down = indexOf(rt, 'down0')
    const entry: Neighbour = { link: vxlan, mac: '0a:58:0a:f4:02:00', address: '10.244.2.0', permanent: true }
    const nowhere = 4242
    const refusals: Readonly<Record<string, readonly [errno: string, work: () => void]>> = {
      'a second link of a name': ['EEXIST', () => rt.addBridge({ name: 'br0', mtu: 1500 })],
      'a veth whose peer has a taken name': ['EEXIST', () => rt.addVeth({ name: 'v1', mtu: 1500, peer: { name: 'br0' } })],
      'a second VXLAN device with the same VNI and port': [
        'EEXIST',
        () => rt.addVxlan({ name: 'vxlan1', mtu: 1450, vni: 1, port: 4789, local: '172.30.0.11', underlyingLink: bridge }),
      ],
      'a VXLAN device over nothing': [
        'ENODEV',
        () => rt.addVxlan({ name: 'vxlan2', mtu: 1450, vni: 2, port: 4789, local: '172.30.0.11', underlyingLink: nowhere }),
      ],
      'changing a link that is not there': ['ENODEV', () => rt.changeLink(nowhere, { mtu: 1400 })],
      'an MTU below that of IPv4': ['EINVAL', () => rt.changeLink(bridge, { mtu: 60 })],
      'a name that is taken': ['EEXIST', () => rt.changeLink(bridge, { name: 'vxlan0' })],
      'hairpin on what is no port': ['ENOTSUP', () => rt.changeBridgePort(bridge, { hairpin: true })],
      'deleting a link that is not there': ['ENODEV', () => rt.deleteLink(nowhere)],
      'deleting the loopback': ['ENOTSUP', () => rt.deleteLink(indexOf(rt, 'lo'))],
      'an address twice': ['EEXIST', () => rt.addAddress({ link: bridge, cidr: '172.30.0.11/24' })],
      'an address on nothing': ['ENODEV', () => rt.addAddress({ link: nowhere, cidr: '10.0.0.1/24' })],
      'deleting an address that is not there': ['EADDRNOTAVAIL', () => rt.deleteAddress({ link: bridge, cidr: '10.0.0.1/24' })],
      'a gateway that nobody reaches': ['ENETUNREACH', () => rt.replaceRoute({ destination: '10.9.0.0/16', gateway: '192.0.2.1' })],
      'a route through a downed link': ['ENETDOWN', () => rt.replaceRoute({ destination: '10.9.0.0/16', link: down })],
      'a route through nothing': ['ENODEV', () => rt.replaceRoute({ destination: '10.9.0.0/16', link: nowhere })],
      'deleting a route that is not there': ['ESRCH', () => rt.deleteRoute({ destination: '10.9.0.0/16' })],
      'deleting the route of somebody else': ['ESRCH', () => rt.deleteRoute({ destination: '172.30.0.0/24', protocol: routeProtocol })],
      'a neighbour on nothing': ['ENODEV', () => rt.replaceNeighbour({ ...entry, link: nowhere })],
      'deleting a neighbour that is not there': ['ENOENT', () => rt.deleteNeighbour(entry)],
      'deleting a forwarding entry that is not there': ['ENOENT', () => rt.deleteFdb({ ...entry, address: '172.30.0.12' })],
    }
    for (const [name, [errno, work]] of Object.entries(refusals)) t.equal(refusal(work), errno, name)
    t.strictSame(
      routesOf(rt).map(({ destination }) => destination),
      ['172.30.0.0/24'],
      'nothing has changed',
    )
  })

  t.test('errors name the operation, the object and the errno', async t => {
    const rt = open()
    t.throws(() => rt.deleteRoute({ destination: '10.9.0.0/16' }), {
      code: 'KERNEL_REFUSED',
      message: /^delete route 10\.9\.0\.0\/16.*: ESRCH/,
    })
  })
}

/** The same for dummy devices, which not every kernel has. */
export async function dummyContract(t: Test, open: () => Rtnetlink): Promise<void> {
  t.test('a dummy device holds addresses though it is down', async t => {
    const rt = open()
    rt.addDummy({ name: 'kube-ipvs0', mtu: 1500 })
    const device = rt.link('kube-ipvs0')
    t.match(device, { kind: 'dummy', mtu: 1500, isUp: false })
    const link = device?.index ?? -1
    rt.addAddress({ link, cidr: '10.96.0.10/32' })
    t.throws(() => rt.addAddress({ link, cidr: '10.96.0.10/32' }), { message: /EEXIST/ })
    t.throws(() => rt.addDummy({ name: 'kube-ipvs0', mtu: 1500 }), { message: /EEXIST/ })
    t.match(rt.addresses(), [{ link, cidr: '10.96.0.10/32' }])
    rt.deleteAddress({ link, cidr: '10.96.0.10/32' })
    t.throws(() => rt.deleteAddress({ link, cidr: '10.96.0.10/32' }), { message: /EADDRNOTAVAIL/ })
    rt.deleteLink(link)
    t.equal(rt.link('kube-ipvs0'), undefined)
    rt.close()
  })
}
