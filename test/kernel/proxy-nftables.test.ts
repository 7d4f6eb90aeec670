import t, { type Test } from 'tap'

import { type IpFamily, parseCidr, parseIp } from '../../src/base/net/address.js'
import { execNftables } from '../../src/kernel/exec-nftables.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns } from '../../src/kernel/netns.js'
import { nftablesProxy } from '../../src/proxy-nftables/backend.js'
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
    nodePortAddresses: [parseCidr('172.30.0.11/32'), parseCidr('172.30.0.0/24')],
  },
  IPv6: {
    ...testNode,
    family: 6,
    address: parseIp('fd01::11'),
    serviceRanges: [parseCidr('fd00:96::/112')],
    localDetector: { by: 'interface', name: 'cni0' },
    masqueradeAll: true,
  },
}

const foreign = 'add table ip theirs\nadd chain ip theirs services\n'
const leftover = (family: IpFamily) => {
  const table = `${family === 4 ? 'ip' : 'ip6'} kube-proxy`
  return `add table ${table}\nadd set ${table} cluster-ips { type inet_service; }\nadd chain ${table} old\n`
}

for (const [name, node] of Object.entries(nodes)) {
  t.test(`the kernel holds what was planned: ${name}`, async t => {
    const { nftables, proxy } = inNamespace(t, node.family)
    await nftables.apply(`${foreign}${leftover(node.family)}`, signal)
    const desired = buildServiceState({ ...everyService(node.family), node })

    await proxy.apply(proxy.plan(desired, await proxy.observe(signal)), signal)
    t.equal(proxy.plan(desired, await proxy.observe(signal)).transaction, '', 'a second look finds nothing to do')

    await proxy.apply(proxy.plan(undefined, await proxy.observe(signal)), signal)
    t.strictSame(await proxy.observe(signal), { kind: 'observed', content: undefined })
    t.equal(proxy.plan(undefined, await proxy.observe(signal)).transaction, '')
    t.match(await nftables.list({ family: 'ip', table: 'theirs' }, signal), /chain services/, 'the tables of others stay')
  })
}

t.test('changes are carried out one by one, and end in the same table as a fresh start', async t => {
  const { proxy } = inNamespace(t, 4)
  const objects = everyService()
  const [web, ...slices] = objects.endpointSlices
  const endpoints = web!.endpoints!.slice(1)
  const [sticky, ...services] = objects.services
  const spec = { ...sticky!.spec!, sessionAffinityConfig: { clientIP: { timeoutSeconds: 90 } } }
  const steps = [
    { services: objects.services, endpointSlices: [] },
    objects,
    { ...objects, endpointSlices: [{ ...web!, endpoints }, ...slices] },
    { ...objects, endpointSlices: [{ ...web!, endpoints }, ...slices, testSlice('shop/idle', [{ ip: '10.244.3.3' }], [{ port: 8080 }])] },
    { ...objects, services: [{ ...sticky!, spec }, ...services] },
    { ...objects, services: objects.services.slice(0, 3) },
    { services: [], endpointSlices: [] },
    objects,
  ]
  let state = buildServiceState({ services: [], endpointSlices: [], node: testNode })
  let applied = await proxy.apply(proxy.plan(state, await proxy.observe(signal)), signal)
  for (const [i, step] of steps.entries()) {
    state = buildServiceState({ ...step, node: testNode }, state)
    applied = await proxy.apply(proxy.plan(state, applied), signal)
    t.equal(proxy.plan(state, await proxy.observe(signal)).transaction, '', `step ${i}`)
  }
})

function inNamespace(t: Test, family: IpFamily) {
  const netns = createNetns()
  t.teardown(() => netns.close())
  const nftables = execNftables(localMachine.enter(netns.path).run)
  return { nftables, proxy: nftablesProxy({ nftables, family }) }
}
