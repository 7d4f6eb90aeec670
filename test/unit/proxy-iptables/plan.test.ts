import t from 'tap'

import { fakeIptables } from '../../../src/kernel/fake-iptables.js'
import { iptablesProxy } from '../../../src/proxy-iptables/backend.js'
import { planIptables, renderState } from '../../../src/proxy-iptables/plan.js'
import { noRules } from '../../../src/proxy-iptables/ruleset.js'
import { buildServiceState } from '../../../src/service-model/build-service-state.js'
import type { ServiceState } from '../../../src/service-model/service-state.js'
import { everyService } from '../../support/every-service.js'
import { testNode, testService, testSlice } from '../../support/service-objects.js'

const signal = AbortSignal.timeout(30_000)
const objects = everyService()
const state = buildServiceState({ ...objects, node: testNode })
const fresh = { kind: 'observed', rules: noRules } as const

/** Many Services, of which one can be changed. */
function crowd(count: number, endpointsOfFirst: readonly string[], previous?: ServiceState): ServiceState {
  const names = Array.from({ length: count }, (_, i) => `crowd/svc${i}`)
  return buildServiceState(
    {
      services: names.map((name, i) => testService({ name, clusterIP: `10.96.${i >> 8}.${i & 255}` })),
      endpointSlices: names.map((name, i) =>
        testSlice(
          name,
          (i === 0 ? endpointsOfFirst : ['10.244.1.1', '10.244.1.2']).map(ip => ({ ip })),
        ),
      ),
      node: testNode,
    },
    previous,
  )
}

t.test('the same inputs give the same bytes', async t => {
  const again = buildServiceState({
    services: [...objects.services],
    endpointSlices: [...objects.endpointSlices].reverse(),
    node: testNode,
  })
  t.strictSame(planIptables(again, fresh), { ...planIptables(state, fresh), desired: again })
})

t.test('nothing is planned when nothing changed', async t => {
  t.strictSame(planIptables(state, { kind: 'written', state }).restores, [])
  const again = buildServiceState({ ...objects, node: testNode }, state)
  t.strictSame(planIptables(again, { kind: 'written', state }).restores, [])
  t.strictSame(planIptables(state, { kind: 'observed', rules: renderState(state) }).restores, [], 'nor when the kernel holds it already')
})

t.test('an endpoint that comes restates the chains of its Service alone', async t => {
  const before = crowd(50, ['10.244.1.1', '10.244.1.2'])
  const after = crowd(50, ['10.244.1.1', '10.244.1.2', '10.244.1.3'], before)
  const { restores, cutsUdp } = planIptables(after, { kind: 'written', state: before })
  t.equal(restores.length, 1)
  t.match(restores[0], /^\*nat\n:KUBE-SEP-\w{16} - \[0:0\]\n:KUBE-SVC-\w{16} - \[0:0\]\n/)
  t.equal(restores[0]!.match(/^:/gm)!.length, 2, 'the new endpoint and the chain that chooses')
  t.notMatch(restores[0], /KUBE-SERVICES|\*filter/)
  t.notOk(cutsUdp)
})

t.test('the first and last endpoint change the tables that dispatch by single rules', async t => {
  const none = crowd(50, [])
  const one = crowd(50, ['10.244.1.1'], none)
  const [up] = planIptables(one, { kind: 'written', state: none }).restores
  t.match(up, /^-I KUBE-SERVICES -d 10\.96\.0\.0\/32 .* -j KUBE-SVC-/m)
  t.match(up, /^-D KUBE-SERVICES -d 10\.96\.0\.0\/32 .* -j REJECT/m)
  const [down] = planIptables(none, { kind: 'written', state: one }).restores
  t.equal(down!.match(/^-[DIX] /gm)!.length, 4, 'one rule out, one in, two chains removed')
})

t.test('a UDP Service that changed cuts flows', async t => {
  const slices = objects.endpointSlices.filter(({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] !== 'dns')
  const after = buildServiceState({ services: objects.services, endpointSlices: slices, node: testNode }, state)
  t.ok(planIptables(after, { kind: 'written', state }).cutsUdp)
})

t.test('what fits in no section goes in several that each stand alone', async t => {
  const iptables = fakeIptables()
  const proxy = iptablesProxy({ iptables })
  const large = crowd(2_000, ['10.244.1.1'])
  const plan = proxy.plan(large, await proxy.observe(signal))
  t.ok(plan.restores.length > 1)
  await proxy.apply(plan, signal)
  t.strictSame(proxy.plan(large, await proxy.observe(signal)).restores, [])
})

t.test('chains of others and rules of others in the built-in chains stay', async t => {
  const iptables = fakeIptables()
  const proxy = iptablesProxy({ iptables })
  const theirs = '*nat\n:KUBE-KUBELET-CANARY - [0:0]\n:CNI-X - [0:0]\n-A CNI-X -j RETURN\n-A PREROUTING -j CNI-X\nCOMMIT\n'
  await iptables.restore(theirs, signal)
  const before = await iptables.save('nat', signal)
  const applied = await proxy.apply(proxy.plan(state, await proxy.observe(signal)), signal)
  t.match(await iptables.save('nat', signal), /^-A PREROUTING -j CNI-X$/m)
  await proxy.apply(proxy.plan(undefined, applied), signal)
  t.equal(await iptables.save('nat', signal), before)
})

t.test('rules that somebody took or put are mended by the next look', async t => {
  const iptables = fakeIptables()
  const proxy = iptablesProxy({ iptables })
  await proxy.apply(proxy.plan(state, await proxy.observe(signal)), signal)
  const good = await iptables.save('nat', signal)
  await iptables.restore(
    '*nat\n:KUBE-MARK-MASQ - [0:0]\n:KUBE-SERVICES - [0:0]\n-A KUBE-NODEPORTS -j RETURN\n-D POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING\nCOMMIT\n',
    signal,
  )
  await proxy.apply(proxy.plan(state, await proxy.observe(signal)), signal)
  t.equal(await iptables.save('nat', signal), good)
})

t.test('other facts of the node change the rules they are in', async t => {
  const elsewhere = buildServiceState({ ...objects, node: { ...testNode, masqueradeAll: true } }, state)
  const [text] = planIptables(elsewhere, { kind: 'written', state }).restores
  t.notMatch(text, /^:KUBE-(SERVICES|SEP)/m)
  t.match(text, /^-A KUBE-SVC-\w+ -d 10\.96\.0\.10\/32 .* -j KUBE-MARK-MASQ$/m)
})
