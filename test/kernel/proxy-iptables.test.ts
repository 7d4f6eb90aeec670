import t, { type Test } from 'tap'

import { type IpFamily, parseIp } from '../../src/base/net/address.js'
import { execIptables, type IptablesVariant } from '../../src/kernel/exec-iptables.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns } from '../../src/kernel/netns.js'
import { hasCanaries, iptablesProxy } from '../../src/proxy-iptables/backend.js'
import { buildServiceState } from '../../src/service-model/build-service-state.js'
import type { NodeFacts, ServiceState } from '../../src/service-model/service-state.js'
import { everyService } from '../support/every-service.js'
import { testNode, testService, testSlice } from '../support/service-objects.js'

const signal = AbortSignal.timeout(60_000)

const nodes: Readonly<Record<string, NodeFacts>> = {
  'IPv4, sources tell Pods': testNode,
  'IPv4, interfaces tell Pods': {
    ...testNode,
    localDetector: { by: 'interface', name: 'veth+' },
    localhostNodePorts: false,
    dropInvalid: false,
  },
  IPv6: { ...testNode, family: 6, address: parseIp('fd01::11'), localDetector: { by: 'interface', name: 'cni0' }, masqueradeAll: true },
}

/** Chains of others, one of them with a name like ours, and their rules. */
const foreign = [
  '*nat',
  ':KUBE-KUBELET-CANARY - [0:0]',
  ':KUBE-SVC-MINE - [0:0]',
  '-A KUBE-SVC-MINE -m comment --comment "not by us" -j RETURN',
  '-A PREROUTING -j KUBE-SVC-MINE',
  'COMMIT\n',
].join('\n')
const foreignLeft = [
  ':KUBE-KUBELET-CANARY - [0:0]',
  ':KUBE-SVC-MINE - [0:0]',
  '-A PREROUTING -j KUBE-SVC-MINE',
  '-A KUBE-SVC-MINE -m comment --comment "not by us" -j RETURN',
]

for (const [name, node, variant] of [
  ...Object.entries(nodes).map(([name, node]) => [name, node, 'nft'] as const),
  ['the older tables', testNode, 'legacy'] as const,
]) {
  t.test(`the kernel holds what was planned: ${name}`, async t => {
    const { iptables, proxy } = inNamespace(t, node.family, variant)
    await iptables.restore(foreign, signal)
    const desired = buildServiceState({ ...everyService(node.family), node })

    const plan = proxy.plan(desired, await proxy.observe(signal))
    await proxy.apply(plan, signal)
    t.strictSame(proxy.plan(desired, await proxy.observe(signal)).restores, [], 'a second look finds nothing to do')

    await proxy.apply(proxy.plan(undefined, await proxy.observe(signal)), signal)
    const left = (await Promise.all((['nat', 'filter', 'mangle'] as const).map(table => iptables.save(table, signal)))).join('')
    t.strictSame(left.match(/^(:KUBE|-A).*/gm), foreignLeft, 'removal leaves what others made, and only that')
  })
}

t.test('changes are carried out one by one, and end in the same rules as a fresh start', async t => {
  const { proxy } = inNamespace(t, 4)
  const objects = everyService()
  const first = buildServiceState({ ...objects, node: testNode })
  let applied = await proxy.apply(proxy.plan(first, await proxy.observe(signal)), signal)

  const [web, ...slices] = objects.endpointSlices
  const endpoints = web!.endpoints!.slice(1)
  const steps = [
    { ...objects, endpointSlices: [{ ...web!, endpoints }, ...slices] },
    { ...objects, endpointSlices: [{ ...web!, endpoints }, ...slices, testSlice('shop/idle', [{ ip: '10.244.3.3' }], [{ port: 8080 }])] },
    { ...objects, services: objects.services.slice(0, 3) },
    { services: [], endpointSlices: [] },
    objects,
  ]
  let state = first
  for (const step of steps) {
    state = buildServiceState({ ...step, node: testNode }, state)
    applied = await proxy.apply(proxy.plan(state, applied), signal)
    t.strictSame(proxy.plan(state, await proxy.observe(signal)).restores, [])
  }
})

t.test('more than a thousand endpoints: no comments, and chains without use go at the next full look', async t => {
  const { iptables, proxy } = inNamespace(t, 4)
  const crowd = (endpoints: number, previous?: ServiceState) => {
    const names = Array.from({ length: 101 }, (_, i) => `crowd/svc${i}`)
    const slice = (name: string, i: number) =>
      testSlice(
        name,
        Array.from({ length: i === 0 ? endpoints : 10 }, (_, j) => ({ ip: `10.244.${i}.${j}` })),
      )
    const services = names.map((name, i) => testService({ name, clusterIP: `10.96.1.${i}` }))
    return buildServiceState({ services, endpointSlices: names.map(slice), node: testNode }, previous)
  }
  const before = crowd(10)
  const applied = await proxy.apply(proxy.plan(before, await proxy.observe(signal)), signal)
  const save = () => iptables.save('nat', signal)
  t.notMatch(await save(), /crowd\/svc/)
  t.match(await save(), /kubernetes service portals/, 'those of the fixed rules stay')
  const chains = async () => (await save()).match(/^:KUBE-SEP-/gm)?.length

  const after = crowd(9, before)
  const later = await proxy.apply(proxy.plan(after, applied), signal)
  t.equal(await chains(), 1010, 'the chain of the endpoint that went is still there')
  const few = buildServiceState({ services: [], endpointSlices: [], node: testNode }, after)
  t.match(proxy.plan(few, later).restores[0], /^-X /m, 'a small cluster again: all is restated')
  await proxy.apply(proxy.plan(after, await proxy.observe(signal)), signal)
  t.equal(await chains(), 1009)
})

t.test('a table that others emptied is noticed by its canary, and made whole again', async t => {
  const { host, iptables, proxy } = inNamespace(t, 4)
  const state = buildServiceState({ ...everyService(), node: testNode })
  await proxy.apply(proxy.plan(state, await proxy.observe(signal)), signal)
  t.ok(await hasCanaries(iptables, signal))
  for (const table of ['nat', 'filter', 'mangle'] as const) {
    const good = await iptables.save(table, signal)
    await host.run(['iptables-nft', '-t', table, '-F'])
    await host.run(['iptables-nft', '-t', table, '-X'])
    t.notOk(await hasCanaries(iptables, signal), table)
    await proxy.apply(proxy.plan(state, await proxy.observe(signal)), signal)
    t.ok(await hasCanaries(iptables, signal))
    const sorted = (text: string) => text.match(/^[:-].*$/gm)?.sort()
    t.strictSame(sorted(await iptables.save(table, signal)), sorted(good))
  }
})

t.test('NodePorts on 127.0.0.1: packets for it are let out of the node, and none from outside to it', async t => {
  const { host, iptables } = inNamespace(t, 4)
  const read = async () => (await host.run(['sysctl', '-n', 'net.ipv4.conf.all.route_localnet'])).stdout.trim()
  const set: string[] = []
  const proxy = iptablesProxy({ iptables, ensureSysctl: (key, value) => set.push(`${key}=${value}`) })
  t.equal(await read(), '0')
  const without = buildServiceState({ ...everyService(), node: { ...testNode, localhostNodePorts: false } })
  const applied = await proxy.apply(proxy.plan(without, await proxy.observe(signal)), signal)
  t.strictSame(set, [])
  t.notMatch(await iptables.save('filter', signal), /block incoming localnet/)
  const state = buildServiceState({ ...everyService(), node: testNode }, without)
  await proxy.apply(proxy.plan(state, applied), signal)
  t.strictSame(set, ['net/ipv4/conf/all/route_localnet=1'])
  t.match(await iptables.save('filter', signal), /^-A KUBE-FIREWALL ! -s 127\.0\.0\.0\/8 -d 127\.0\.0\.0\/8 .* -j DROP$/m)
})

function inNamespace(t: Test, family: IpFamily, variant: IptablesVariant = 'nft') {
  const netns = createNetns()
  t.teardown(() => netns.close())
  const host = localMachine.enter(netns.path)
  const iptables = execIptables(host.run, family, variant)
  return { host, iptables, proxy: iptablesProxy({ iptables, variant }) }
}
