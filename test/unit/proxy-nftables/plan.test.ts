import t from 'tap'

import { fakeNftables } from '../../../src/kernel/fake-nftables.js'
import { nftablesProxy } from '../../../src/proxy-nftables/backend.js'
import { buildServiceState } from '../../../src/service-model/build-service-state.js'
import type { ServiceState } from '../../../src/service-model/service-state.js'
import { everyService } from '../../support/every-service.js'
import { testNode, testService, testSlice } from '../../support/service-objects.js'

const signal = AbortSignal.timeout(30_000)
const objects = everyService()
const state = buildServiceState({ ...objects, node: testNode })

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

/** A proxy over a table in memory that holds `state`. */
async function holding(held: ServiceState) {
  const nftables = fakeNftables()
  const proxy = nftablesProxy({ nftables })
  const applied = await proxy.apply(proxy.plan(held, await proxy.observe(signal)), signal)
  return { nftables, proxy, applied }
}

t.test('the same inputs give the same bytes', async t => {
  const proxy = nftablesProxy({ nftables: fakeNftables() })
  const nothing = await proxy.observe(signal)
  const again = buildServiceState({
    services: [...objects.services].reverse(),
    endpointSlices: [...objects.endpointSlices].reverse(),
    node: testNode,
  })
  t.equal(proxy.plan(again, nothing).transaction, proxy.plan(state, nothing).transaction)
})

t.test('nothing is planned when nothing changed', async t => {
  const { proxy, applied } = await holding(state)
  t.equal(proxy.plan(state, applied).transaction, '')
  t.equal(proxy.plan(buildServiceState({ ...objects, node: testNode }, state), applied).transaction, '')
  t.equal(proxy.plan(state, await proxy.observe(signal)).transaction, '', 'nor when the kernel holds it already')
})

t.test('there is no chain and no anonymous map a Service', async t => {
  const { nftables } = await holding(crowd(50, ['10.244.1.1', '10.244.1.2']))
  const text = nftables.applied.at(-1)!
  t.notMatch(text, /map \{/)
  const chainsOf = (of: string) => of.match(/^add chain /gm)?.length
  const { nftables: other } = await holding(crowd(500, ['10.244.1.1', '10.244.1.2']))
  t.equal(chainsOf(other.applied.at(-1)!), chainsOf(text))
})

t.test('an endpoint that comes is a few elements', async t => {
  const before = crowd(50, ['10.244.1.1', '10.244.1.2'])
  const { nftables, proxy, applied } = await holding(before)
  const after = crowd(50, ['10.244.1.1', '10.244.1.2', '10.244.1.3'], before)
  const { transaction, cutsUdp } = proxy.plan(after, applied)
  t.match(transaction, /^10\.96\.0\.0 \. 80 \. 2 : 10\.244\.1\.3 \. 8080$/m)
  t.notMatch(transaction, /10\.96\.0\.1 /, 'no other Service is named')
  t.notOk(cutsUdp)
  await proxy.apply({ transaction, cutsUdp, desired: after }, signal)
  const listed = await nftables.list({ family: 'ip', table: 'kube-proxy' }, signal)
  const { nftables: fresh } = await holding(after)
  const sorted = (text: string | undefined) =>
    text
      ?.split('\n')
      .map(line =>
        line
          .trim()
          .replace(/,$/, '')
          .replace(/^elements = \{ | \}$/g, ''),
      )
      .sort()
  t.strictSame(sorted(listed), sorted(await fresh.list({ family: 'ip', table: 'kube-proxy' }, signal)), 'as if made anew')
})

t.test('a UDP Service that changed cuts flows', async t => {
  const { proxy, applied } = await holding(state)
  const slices = objects.endpointSlices.filter(({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] !== 'dns')
  const after = buildServiceState({ services: objects.services, endpointSlices: slices, node: testNode }, state)
  t.ok(proxy.plan(after, applied).cutsUdp)
})

t.test('a table of another form is made anew in one transaction', async t => {
  const nftables = fakeNftables()
  const proxy = nftablesProxy({ nftables })
  await nftables.apply(
    'add table ip kube-proxy\nadd set ip kube-proxy cluster-ips { type inet_service; }\nadd chain ip kube-proxy old\n',
    signal,
  )
  await proxy.apply(proxy.plan(state, await proxy.observe(signal)), signal)
  t.equal(nftables.applied.length, 2)
  t.notMatch(await nftables.list({ family: 'ip', table: 'kube-proxy' }, signal), /chain old/)
})

t.test('elements that somebody took or put are mended by the next look', async t => {
  const { nftables, proxy } = await holding(state)
  const own = 'ip kube-proxy'
  const good = await nftables.list({ family: 'ip', table: 'kube-proxy' }, signal)
  await nftables.apply(`add element ${own} cluster-ips {\n10.96.9.9\n}\nadd rule ${own} services drop\n`, signal)
  await proxy.apply(proxy.plan(state, await proxy.observe(signal)), signal)
  t.equal(await nftables.list({ family: 'ip', table: 'kube-proxy' }, signal), good)
})

t.test('nothing wanted removes the table and no other', async t => {
  const { nftables, proxy, applied } = await holding(state)
  await nftables.apply('add table ip theirs\n', signal)
  await proxy.apply(proxy.plan(undefined, applied), signal)
  t.equal(await nftables.list({ family: 'ip', table: 'kube-proxy' }, signal), undefined)
  t.match(await nftables.list({ family: 'ip', table: 'theirs' }, signal), /table ip theirs/)
})
