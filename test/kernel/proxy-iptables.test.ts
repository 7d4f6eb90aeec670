import t, { type Test } from 'tap'

import { type IpFamily, parseIp } from '../../src/base/net/address.js'
import { execIptables } from '../../src/kernel/exec-iptables.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns } from '../../src/kernel/netns.js'
import { iptablesProxy } from '../../src/proxy-iptables/backend.js'
import { buildServiceState } from '../../src/service-model/build-service-state.js'
import type { NodeFacts } from '../../src/service-model/service-state.js'
import { everyService } from '../support/every-service.js'
import { testNode, testSlice } from '../support/service-objects.js'

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

for (const [name, node] of Object.entries(nodes)) {
  t.test(`the kernel holds what was planned: ${name}`, async t => {
    const { iptables, proxy } = inNamespace(t, node.family)
    await iptables.restore(foreign, signal)
    const desired = buildServiceState({ ...everyService(node.family), node })

    const plan = proxy.plan(desired, await proxy.observe(signal))
    await proxy.apply(plan, signal)
    t.strictSame(proxy.plan(desired, await proxy.observe(signal)).restores, [], 'a second look finds nothing to do')

    await proxy.apply(proxy.plan(undefined, await proxy.observe(signal)), signal)
    const left = `${await iptables.save('nat', signal)}${await iptables.save('filter', signal)}`
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

function inNamespace(t: Test, family: IpFamily) {
  const netns = createNetns()
  t.teardown(() => netns.close())
  const iptables = execIptables(localMachine.enter(netns.path).run, family)
  return { iptables, proxy: iptablesProxy(iptables) }
}
