import t from 'tap'

import { parseCidr, parseIp } from '../../../src/base/net/address.js'
import { ipvsProxy } from '../../../src/proxy-ipvs/backend.js'
import type { IpvsPlan } from '../../../src/proxy-ipvs/plan.js'
import { buildServiceState, type ServiceStateInput } from '../../../src/service-model/build-service-state.js'
import { flowNodes, flowObjects } from '../../suites/service-flows.js'
import { fakeIpvsNode } from '../../support/fake-ipvs-node.js'
import { testService, testSlice } from '../../support/service-objects.js'
import { syncTo } from '../../support/sync-to.js'

const signal = AbortSignal.timeout(50_000)
const node = flowNodes.ipvs
const flows = buildServiceState({ ...flowObjects, node })
const endpoint = (ip: string) => ({ ip, nodeName: 'node-1', conditions: { ready: true } })
const web = testService({ name: 'shop/web', clusterIP: '10.96.0.30' })
const stateOf = (input: Partial<ServiceStateInput>, previous?: typeof flows) =>
  buildServiceState({ services: [web], endpointSlices: [], node, ...input }, previous)
const kinds = ({ steps }: IpvsPlan) => steps.map(step => step.do)
const server = { protocol: 'tcp', address: parseIp('10.96.0.30'), port: 80 } as const

t.test('what was brought about is found again: nothing is left to do', async t => {
  const { parts } = fakeIpvsNode()
  const proxy = ipvsProxy(parts)
  const applied = await proxy.apply(proxy.plan(flows, await proxy.observe(signal)), signal)
  t.strictSame(kinds(proxy.plan(flows, applied)), [])
  const again = proxy.plan(flows, await proxy.observe(signal))
  t.strictSame(
    again.steps.filter(step => step.do !== 'set parameter'),
    [],
  )
})

t.test('nothing wanted: all that is ours goes, what is foreign stays', async t => {
  const { parts, ipvs, ipset, iptables, rtnetlink } = fakeIpvsNode()
  const foreign = { protocol: 'tcp', address: parseIp('192.0.2.99'), port: 80, scheduler: 'rr', hashesPort: false } as const
  ipvs.addServer(foreign)
  await ipset.restore('create OTHERS hash:ip family inet\n', signal)
  await iptables.restore('*nat\n:OTHERS - [0:0]\n-A PREROUTING -j OTHERS\nCOMMIT\n', signal)
  const [nat, filter] = [await iptables.save('nat', signal), await iptables.save('filter', signal)]
  const proxy = ipvsProxy(parts)
  await syncTo(proxy, flows, signal)
  t.ok(ipvs.servers().length > 10)
  await syncTo(proxy, undefined, signal)
  t.strictSame(ipvs.servers(), [foreign])
  t.equal(await ipset.save(signal), 'create OTHERS hash:ip family inet\n')
  t.strictSame([await iptables.save('nat', signal), await iptables.save('filter', signal)], [nat, filter])
  t.equal(rtnetlink.link('kube-ipvs0'), undefined)
  t.strictSame(kinds(proxy.plan(undefined, await proxy.observe(signal))), [], 'twice does nothing')
})

t.test('chains of names that proxy iptables and the kubelet have too stay theirs', async t => {
  const { parts, iptables } = fakeIpvsNode()
  const theirs =
    '*nat\n:KUBE-MARK-MASQ - [0:0]\n:KUBE-POSTROUTING - [0:0]\n-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING\nCOMMIT\n'
  await iptables.restore(theirs, signal)
  const before = await iptables.save('nat', signal)
  await syncTo(ipvsProxy(parts), undefined, signal)
  t.equal(await iptables.save('nat', signal), before)
})

t.test('a new Service is whole before its address makes packets come; one that goes loses the address first', async t => {
  const { parts } = fakeIpvsNode()
  const proxy = ipvsProxy(parts)
  const none = stateOf({ services: [] })
  const applied = await proxy.apply(proxy.plan(none, await proxy.observe(signal)), signal)
  const some = stateOf({ endpointSlices: [testSlice('shop/web', [endpoint('10.244.1.5')])] }, none)
  const coming = proxy.plan(some, applied)
  t.strictSame(kinds(coming), ['restore sets', 'add server', 'add destination', 'add address'])
  const there = await proxy.apply(coming, signal)
  t.strictSame(kinds(proxy.plan(stateOf({ services: [] }, some), there)), ['delete address', 'delete server', 'restore sets'])
})

t.test('a change costs what changed, and what another Service holds as well stays', async t => {
  const { parts, ipvs } = fakeIpvsNode()
  const proxy = ipvsProxy(parts)
  const twin = testService({
    name: 'shop/twin',
    clusterIP: '10.96.0.31',
    externalIPs: ['192.0.2.30'],
    ports: [{ name: 'http', protocol: 'TCP', port: 81 }],
  })
  const shared = testService({ name: 'shop/shared', clusterIP: '10.96.0.32', externalIPs: ['192.0.2.30'] })
  const slices = ['web', 'twin', 'shared'].map(name => testSlice(`shop/${name}`, [endpoint('10.244.1.5')]))
  const all = stateOf({ services: [web, twin, shared], endpointSlices: slices })
  const applied = await proxy.apply(proxy.plan(all, await proxy.observe(signal)), signal)
  const without = stateOf({ services: [web, twin], endpointSlices: slices }, all)
  const plan = proxy.plan(without, applied)
  t.strictSame(
    plan.steps.map(step => ('address' in step ? `${step.do} ${step.address}` : step.do)),
    ['delete address 10.96.0.32', 'delete server', 'delete server', 'restore sets'],
  )
  const [sets] = plan.steps.filter(step => step.do === 'restore sets')
  t.notMatch(sets, { text: /LOOP-BACK|IPVS-IPS 192\.0\.2\.30/ })
  await proxy.apply(plan, signal)
  t.equal(ipvs.servers().length, 3)
  const again = proxy.plan(without, await proxy.observe(signal))
  t.strictSame(
    again.steps.filter(step => step.do !== 'set parameter'),
    [],
  )
})

t.test('a destination that goes drains first: no new connections, deleted when the last has ended', async t => {
  const { parts, ipvs } = fakeIpvsNode()
  const proxy = ipvsProxy(parts)
  const slice = (...ips: string[]) => [testSlice('shop/web', ips.map(endpoint))]
  const both = stateOf({ endpointSlices: slice('10.244.1.5', '10.244.1.6') })
  let applied = await proxy.apply(proxy.plan(both, await proxy.observe(signal)), signal)
  const weights = () => Object.fromEntries(ipvs.destinations(server).map(({ address, weight }) => [address, weight]))
  const connections = (activeConnections: number) => ipvs.connect(server, '10.244.1.6', { activeConnections, inactiveConnections: 0 })

  connections(1)
  const one = stateOf({ endpointSlices: slice('10.244.1.5') }, both)
  applied = await proxy.apply(proxy.plan(one, applied), signal)
  t.strictSame(weights(), { '10.244.1.5': 1, '10.244.1.6': 0 })
  applied = await proxy.apply(proxy.plan(one, applied), signal)
  t.strictSame(weights(), { '10.244.1.5': 1, '10.244.1.6': 0 }, 'as long as it is connected')

  const back = await proxy.apply(proxy.plan(both, applied), signal)
  t.strictSame(weights(), { '10.244.1.5': 1, '10.244.1.6': 1 }, 'one that comes back serves again')
  applied = await proxy.apply(proxy.plan(one, back), signal)
  const found = await proxy.observe(signal)
  connections(0)
  applied = await proxy.apply(proxy.plan(one, applied), signal)
  t.strictSame(weights(), { '10.244.1.5': 1 })
  t.strictSame(kinds(proxy.plan(one, applied)), [])
  t.match(kinds(proxy.plan(one, found)).at(-1), 'delete when idle', 'one who starts anew goes on draining')
})

t.test('UDP has no end to wait for', async t => {
  const { parts, ipvs } = fakeIpvsNode()
  const proxy = ipvsProxy(parts)
  const ports = [{ name: 'dns', protocol: 'UDP', port: 53 }]
  const dns = testService({ name: 'shop/dns', clusterIP: '10.96.0.30', ports })
  const slice = (...ips: string[]) => [testSlice('shop/dns', ips.map(endpoint), ports)]
  const both = stateOf({ services: [dns], endpointSlices: slice('10.244.1.5', '10.244.1.6') })
  const applied = await proxy.apply(proxy.plan(both, await proxy.observe(signal)), signal)
  ipvs.connect({ ...server, protocol: 'udp', port: 53 }, '10.244.1.6', { activeConnections: 0, inactiveConnections: 7 })
  t.strictSame(kinds(proxy.plan(stateOf({ services: [dns], endpointSlices: slice('10.244.1.5') }, both), applied)), [
    'delete destination',
    'restore sets',
  ])
})

t.test('leftovers that the sets name are taken over or away, those of excluded ranges are left', async t => {
  const { parts, ipvs, ipset, rtnetlink } = fakeIpvsNode()
  const left = ['10.96.0.30', '10.96.0.40', '10.97.0.41'].map(ip => ({
    ...server,
    address: parseIp(ip),
    scheduler: 'wrr',
    hashesPort: false,
  }))
  for (const one of left) ipvs.addServer(one)
  await ipset.restore(
    ['create KUBE-CLUSTER-IP hash:ip,port family inet', ...left.map(({ address }) => `add KUBE-CLUSTER-IP ${address},tcp:80`), ''].join(
      '\n',
    ),
    signal,
  )
  rtnetlink.addDummy({ name: 'kube-ipvs0', mtu: 1500 })
  rtnetlink.addAddress({ link: rtnetlink.link('kube-ipvs0')!.index, cidr: '10.96.0.40/32' })
  await syncTo(ipvsProxy(parts, { excludeCidrs: [parseCidr('10.97.0.0/16')] }), stateOf({}), signal)
  t.strictSame(
    ipvs
      .servers()
      .map(({ address, scheduler }) => `${address} ${scheduler}`)
      .sort(),
    ['10.96.0.30 rr', '10.97.0.41 wrr'],
  )
  t.strictSame(ipset.entries('KUBE-CLUSTER-IP'), ['10.96.0.30,tcp:80'])
  t.notOk(rtnetlink.addresses().some(({ cidr }) => cidr === '10.96.0.40/32'))
})

t.test('what the administrator says reaches the kernel', async t => {
  const { parts, ipvs, sysctls } = fakeIpvsNode()
  const sticky = testService({ name: 'shop/web', clusterIP: '10.96.0.30', sessionAffinity: 'ClientIP' })
  const options = { scheduler: 'mh', strictArp: true, timeouts: { tcp: 700, udp: 60 } }
  await syncTo(ipvsProxy(parts, options), stateOf({ services: [sticky] }), signal)
  t.strictSame(ipvs.servers(), [{ ...server, scheduler: 'mh', hashesPort: true, persistenceSeconds: 10800 }])
  t.strictSame(ipvs.timeouts(), { tcp: 700, tcpFin: 120, udp: 60 })
  t.strictSame(
    ['vs/conntrack', 'ip_forward', 'conf/all/arp_ignore', 'conf/all/arp_announce'].map(name => sysctls.read(`net/ipv4/${name}`)),
    ['1', '1', '1', '2'],
  )
})

t.test('a scheduler that the kernel has not is named, with the way out', async t => {
  const { parts } = fakeIpvsNode(['rr'])
  await t.rejects(syncTo(ipvsProxy(parts, { scheduler: 'mh' }), flows, signal), {
    code: 'KERNEL_UNSUPPORTED',
    message: /mh/,
    hint: /modprobe ip_vs_mh/,
  })
})
