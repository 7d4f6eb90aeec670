import t from 'tap'

import { execConntrack } from '../../src/kernel/exec-conntrack.js'
import { execIptables } from '../../src/kernel/exec-iptables.js'
import { iptablesProxy } from '../../src/proxy-iptables/backend.js'
import { buildServiceState } from '../../src/service-model/build-service-state.js'
import { flowNodes, type PlaceName, places } from '../suites/service-flows.js'
import { createServiceNetwork } from '../support/service-network.js'
import { testService, testSlice } from '../support/service-objects.js'

const signal = AbortSignal.timeout(120_000)
const network = await createServiceNetwork()
t.teardown(() => network.close())
const conntrack = execConntrack(network.node.run)
const proxy = iptablesProxy({ iptables: execIptables(network.node.run), conntrack })

const services = [
  testService({
    name: 'flows/sticky',
    clusterIP: '10.96.0.18',
    type: 'NodePort',
    sessionAffinity: 'ClientIP',
    ports: [{ name: 'http', port: 80, nodePort: 30088 }],
  }),
  testService({ name: 'flows/names', clusterIP: '10.96.0.21', ports: [{ name: 'udp', protocol: 'UDP', port: 80 }] }),
]
const at = (...names: readonly PlaceName[]) => names.map(name => ({ ip: places[name] }))
const stateWith = (names: readonly PlaceName[], sticky: readonly PlaceName[]) =>
  buildServiceState({
    services,
    endpointSlices: [
      testSlice('flows/sticky', at(...sticky)),
      testSlice('flows/names', at(...names), [{ name: 'udp', protocol: 'UDP', port: 8080 }]),
    ],
    node: flowNodes.iptables,
  })
const first = stateWith(['near'], ['near', 'near2', 'far'])
let applied = await proxy.apply(proxy.plan(first, await proxy.observe(signal)), signal)

/** Asks `attempts` times; nobody of that name ever answers, so none is skipped. */
const ask = (from: PlaceName, ip: string, port: number, attempts: number, more: { protocol?: 'udp'; sourcePort?: number } = {}) =>
  network.ask(from, { ip, port, protocol: 'tcp', places: ['nobody' as PlaceName], attempts, patienceMs: 5_000, ...more })
const placesOf = (answers: readonly string[]): string[] => [...new Set(answers.map(answer => answer.split(' ')[0]!))]

t.test('with session affinity a client stays with one endpoint, by whichever address it comes', async t => {
  const { answers, failure } = await ask('client', '10.96.0.18', 80, 20)
  t.equal(failure, undefined)
  t.equal(answers.length, 1)
  const again = await ask('client', places.node, 30088, 20)
  t.strictSame(placesOf(again.answers), placesOf(answers), 'NodePort and ClusterIP share what they remember')
})

t.test('an open UDP flow leaves an endpoint that is gone', async t => {
  const port = { protocol: 'udp', sourcePort: 40000 } as const
  t.strictSame(placesOf((await ask('client', '10.96.0.21', 80, 1, port)).answers), ['near'])
  const tracked = async () =>
    (await conntrack.list('udp', signal)).filter(({ orig }) => orig.dst === '10.96.0.21').map(({ reply }) => reply.src)
  t.strictSame(await tracked(), [places.near])

  const moved = stateWith(['far'], ['near', 'near2', 'far'])
  applied = await proxy.apply(proxy.plan(moved, applied), signal)
  t.strictSame(await tracked(), [])
  const gone = { protocol: 'udp', orig: { src: places.client, dst: '10.96.0.21', sport: port.sourcePort, dport: 80 } }
  await t.resolves(conntrack.delete(gone, signal), 'removing what has gone is no error')
  t.strictSame(placesOf((await ask('client', '10.96.0.21', 80, 1, port)).answers), ['far'], 'the same ports, another endpoint')
})
