import t from 'tap'

import { parseIp } from '../../src/base/net/address.js'
import { openIpvs } from '../../src/kernel/netlink-ipvs.js'
import { withNetns } from '../../src/kernel/netns.js'
import { ipvsProxy } from '../../src/proxy-ipvs/backend.js'
import type { AppliedIpvs } from '../../src/proxy-ipvs/plan.js'
import { buildServiceState } from '../../src/service-model/build-service-state.js'
import type { ServiceState } from '../../src/service-model/service-state.js'
import { flowNodes, flowObjects, type PlaceName, places } from '../suites/service-flows.js'
import { inGuest } from '../support/guest.js'
import { ipvsNode } from '../support/ipvs-node.js'
import { createServiceNetwork } from '../support/service-network.js'
import { testService, testSlice } from '../support/service-objects.js'
import { syncTo } from '../support/sync-to.js'
import { until } from '../support/until.js'

const signal = AbortSignal.timeout(170_000)
const node = flowNodes.ipvs
const talk = { name: 'talk', protocol: 'TCP', port: 8081 }
const ip = '10.96.0.50'
const chat = testService({ name: 'flows/chat', clusterIP: ip, ports: [talk] })
const at = (...names: readonly PlaceName[]) =>
  names.map(name => ({ ip: places[name], nodeName: name === 'far' ? 'node-2' : 'node-1', conditions: { ready: true } }))
const chatAt = (names: readonly PlaceName[], previous?: ServiceState) =>
  buildServiceState({ services: [chat], endpointSlices: [testSlice('flows/chat', at(...names), [talk])], node }, previous)
const counted = (answers: readonly string[]) =>
  Object.fromEntries([...new Set(answers)].sort().map(place => [place, answers.filter(answer => answer === place).length]))

await inGuest(import.meta.url, async () => {
  const network = await createServiceNetwork()
  t.teardown(() => network.close())
  const parts = ipvsNode(network.nodeNetns, network.node)
  const ipvs = withNetns(network.nodeNetns, openIpvs)
  const server = { protocol: 'tcp', address: parseIp(ip), port: 8081 } as const

  await t.test('the kernel holds what was planned, and a second look finds nothing to do', async t => {
    const proxy = ipvsProxy(parts)
    const state = buildServiceState({ ...flowObjects, node })
    const plan = proxy.plan(state, await proxy.observe(signal))
    await proxy.apply(plan, signal)
    const again = proxy.plan(state, await proxy.observe(signal))
    t.strictSame(
      again.steps.filter(step => step.do !== 'set parameter'),
      [],
    )
    const listed = (await network.node.run(['ipvsadm', '-Ln'])).stdout.split('\n').slice(3)
    const served = listed.filter(line => /^(TCP|UDP)/.test(line)).map(line => line.trim().split(/\s+/).slice(0, 3).join(' '))
    const planned = plan.steps.flatMap(step =>
      step.do === 'add server' ? [`${step.server.protocol.toUpperCase()} ${step.server.address}:${step.server.port} rr`] : [],
    )
    t.strictSame(served.sort(), planned.sort(), 'ipvsadm lists the same virtual servers')
    t.equal(listed.filter(line => line.includes('->')).length, plan.steps.filter(step => step.do === 'add destination').length)
  })

  await t.test('nothing wanted leaves nothing but what is foreign', async t => {
    const foreign = { ...server, address: parseIp('192.0.2.99'), scheduler: 'rr', hashesPort: false }
    ipvs.addServer(foreign)
    const proxy = ipvsProxy(parts)
    await syncTo(proxy, undefined, signal)
    t.strictSame(ipvs.servers(), [foreign])
    ipvs.deleteServer(foreign)
    t.equal(await parts.ipset.save(signal), '')
    for (const table of ['nat', 'filter'] as const) t.notMatch(await parts.iptables.save(table, signal), /KUBE/, table)
    t.equal(parts.rtnetlink.link('kube-ipvs0'), undefined)
  })

  for (const scheduler of ['rr', 'wrr', 'lc', 'wlc', 'sh', 'dh', 'sed', 'nq', 'mh']) {
    await t.test(`scheduler ${scheduler} spreads connections as it says`, async t => {
      const proxy = ipvsProxy(parts, { scheduler })
      await syncTo(proxy, chatAt(['near', 'near2']), signal)
      const before = (await network.speak('client')).length
      await network.open('client', 8, { ip, port: 8081 })
      const answers = (await network.speak('client')).slice(before)
      t.equal(answers.length, 8)
      // By the client's or the Service's address alone there is one choice; by the client's port too it is as the ports fall.
      if (['sh', 'dh'].includes(scheduler)) t.equal(Object.keys(counted(answers)).length, 1)
      else if (scheduler !== 'mh') t.strictSame(counted(answers), { near: 4, near2: 4 })
      t.equal(ipvs.servers().find(({ port }) => port === 8081)?.scheduler, scheduler)
      await syncTo(proxy, undefined, signal)
    })
  }

  await t.test('a destination that goes keeps its connections, gets no new ones, and is deleted after the last', async t => {
    const proxy = ipvsProxy(parts)
    const both = chatAt(['near', 'near2'])
    let applied: AppliedIpvs = await proxy.apply(proxy.plan(both, await proxy.observe(signal)), signal)
    await network.open('outside', 6, { ip, port: 8081 })
    const one = chatAt(['near'], both)
    applied = await proxy.apply(proxy.plan(one, applied), signal)
    t.strictSame(counted(await network.speak('outside')), { near: 3, near2: 3 }, 'all that were open are still where they were')
    await network.open('blocked', 4, { ip, port: 8081 })
    t.strictSame(counted(await network.speak('blocked')), { near: 4 })
    const weights = () => Object.fromEntries(ipvs.destinations(server).map(({ address, weight }) => [address, weight]))
    t.strictSame(weights(), { [places.near]: 1, [places.near2]: 0 })

    ipvs.setTimeouts({ tcp: 1, tcpFin: 1, udp: 1 })
    await network.speak('outside') // The new timeout counts from the next packet of a connection.
    await until('the kernel has forgotten the last connection', async () => {
      applied = await proxy.apply(proxy.plan(one, applied), signal)
      return Object.keys(weights()).length === 1
    })
    t.strictSame(weights(), { [places.near]: 1 })
    await syncTo(proxy, undefined, signal)
  })

  await t.test('a thousand Services, and one that changes', async t => {
    const proxy = ipvsProxy(parts)
    const names = Array.from({ length: 1000 }, (_, i) => `crowd/svc${i}`)
    const services = names.map((name, i) => testService({ name, clusterIP: `10.97.${i >> 8}.${i & 255}` }))
    const slices = names.map(name => testSlice(name, at('near', 'far')))
    const all = buildServiceState({ services, endpointSlices: slices, node })
    const observed = await proxy.observe(signal)
    const started = performance.now()
    const applied = await proxy.apply(proxy.plan(all, observed), signal)
    t.comment(`1,000 Services of two endpoints took ${(performance.now() - started).toFixed(0)} ms`)
    const moved = [testSlice('crowd/svc0', at('near2', 'far')), ...slices.slice(1)]
    const next = buildServiceState({ services, endpointSlices: moved, node }, all)
    const changeStarted = performance.now()
    const plan = proxy.plan(next, applied)
    await proxy.apply(plan, signal)
    t.comment(`one changed endpoint took ${(performance.now() - changeStarted).toFixed(0)} ms`)
    t.strictSame(
      plan.steps.map(step => step.do),
      ['restore sets', 'add destination', 'change destination', 'delete when idle'],
    )
    t.equal(ipvs.servers().length, 1000)
  })
})
