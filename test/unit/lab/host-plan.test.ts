import t from 'tap'

import { gatewaysOf, nodePodCidrs, planHosts, planSegments } from '../../../src/lab/host-plan.js'
import { defaultLab, LabSpec } from '../../../src/lab/lab-spec.js'

t.test('the default lab has the addresses that the documentation shows', async t => {
  const hosts = planHosts(defaultLab()).map(({ name, role, address, interfaces: [{ mac }] }) => ({ name, role, address, mac }))
  t.strictSame(hosts, [
    { name: 'control-plane', role: 'control-plane', address: '172.30.0.2', mac: '02:50:ac:1e:00:02' },
    { name: 'node-1', role: 'node', address: '172.30.0.11', mac: '02:50:ac:1e:00:0b' },
    { name: 'node-2', role: 'node', address: '172.30.0.12', mac: '02:50:ac:1e:00:0c' },
    { name: 'node-3', role: 'node', address: '172.30.0.13', mac: '02:50:ac:1e:00:0d' },
    { name: 'ext1', role: 'external', address: '172.30.0.101', mac: '02:50:ac:1e:00:65' },
  ])
  t.strictSame(planSegments(defaultLab()).map(gatewaysOf), [['172.30.0.1']])
  t.strictSame(nodePodCidrs(defaultLab()), { 'node-1': ['10.244.1.0/24'], 'node-2': ['10.244.2.0/24'], 'node-3': ['10.244.3.0/24'] })
})

t.test('the largest lab has an address and a Pod range for every host', async t => {
  const spec = LabSpec.parse({ nodes: 90, externals: Array.from({ length: 100 }, (_, i) => ({ name: `ext${i}` })) })
  const addresses = planHosts(spec).map(({ address }) => address)
  t.equal(new Set(addresses).size, 191)
  t.equal(new Set(Object.values(nodePodCidrs(spec)).flat()).size, 90)
})

t.test('several segments have a range and a router interface each, and hosts stand where they are told', async t => {
  const spec = LabSpec.parse({
    nodes: [{ name: 'a' }, { name: 'b', segment: 'east' }],
    externals: [{ name: 'out', segment: 'east' }],
    underlay: { segments: [{ name: 'east', subnet: '172.30.1.0/24', mtu: 1400 }] },
    ipFamily: 'dual',
  })
  t.strictSame(
    planHosts(spec).map(({ name, role, interfaces }) => [
      name,
      role,
      ...interfaces.flatMap(each => [each.name, each.segment.mtu, ...each.addresses]),
    ]),
    [
      ['control-plane', 'control-plane', 'eth0', 1500, '172.30.0.2', 'fd00:172:30::2'],
      ['a', 'node', 'eth0', 1500, '172.30.0.11', 'fd00:172:30::b'],
      ['b', 'node', 'eth0', 1400, '172.30.1.12', 'fd00:172:30:1::c'],
      ['out', 'external', 'eth0', 1400, '172.30.1.101', 'fd00:172:30:1::65'],
      ['router', 'router', 'eth0', 1500, '172.30.0.1', 'fd00:172:30::1', 'eth1', 1400, '172.30.1.1', 'fd00:172:30:1::1'],
    ],
  )
  t.strictSame(nodePodCidrs(spec), { a: ['10.244.1.0/24', 'fd00:10:244:1::/64'], b: ['10.244.2.0/24', 'fd00:10:244:2::/64'] })
})
