import t from 'tap'

import type { EndpointSlice, Service } from '../../../src/api/generated/types.js'
import { parseCidr, parseIp } from '../../../src/base/net/address.js'
import { buildServiceState } from '../../../src/service-model/build-service-state.js'
import type { ServicePort } from '../../../src/service-model/service-state.js'
import { everyService } from '../../support/every-service.js'
import { testNode, testService, testSlice } from '../../support/service-objects.js'

const build = (services: readonly Service[], endpointSlices: readonly EndpointSlice[] = [], node = testNode) =>
  buildServiceState({ services, endpointSlices, node })
const first = (service: Service, ...slices: readonly EndpointSlice[]): ServicePort => [...build([service], slices).ports.values()][0]!

t.test('which Services have a data plane', async t => {
  const web = { name: 'shop/web', clusterIP: '10.96.0.10' }
  const excluded: Readonly<Record<string, Service>> = {
    'an ExternalName': testService({ ...web, type: 'ExternalName', externalName: 'example.com' }),
    'a headless Service': testService({ ...web, clusterIP: 'None' }),
    'no address yet': testService({ ...web, clusterIP: '' }),
    "another proxy's": testService({ ...web, labels: { 'service.kubernetes.io/service-proxy-name': 'other' } }),
    'labelled headless': testService({ ...web, labels: { 'service.kubernetes.io/headless': '' } }),
    'the other family': testService({ ...web, clusterIP: 'fd00::10' }),
    'an address that is none': testService({ ...web, clusterIP: '10.96.0.10 -j ACCEPT' }),
    'a name that would break out of a comment': testService({ ...web, name: 'shop/we"b' }),
    'a port name that would': testService({ ...web, ports: [{ name: 'ht"tp', port: 80 }] }),
    'a protocol nobody knows': testService({ ...web, ports: [{ name: 'x', protocol: 'DCCP', port: 80 }] }),
  }
  for (const [name, service] of Object.entries(excluded)) t.equal(build([service]).ports.size, 0, name)
  t.equal(build([testService(web)]).ports.size, 1)
})

t.test('keys, ports and protocols', async t => {
  const ports = [
    { name: 'dns', protocol: 'UDP', port: 53 },
    { name: 'dns-tcp', protocol: 'TCP', port: 53, nodePort: 30053 },
  ]
  const services = [
    testService({ name: 'a/dns', clusterIP: '10.96.0.10', ports }),
    testService({ name: 'a/one', clusterIP: '10.96.0.11', ports: [{ port: 80 }] }),
  ]
  const shown = [...build(services).ports.values()].map(
    ({ key, protocol, port, nodePort }) => `${key} ${protocol} ${port} ${nodePort ?? '-'}`,
  )
  t.strictSame(shown, ['a/dns:dns udp 53 -', 'a/dns:dns-tcp tcp 53 30053', 'a/one tcp 80 -'])
})

t.test('endpoints go by port name and protocol, over all slices, each once, in one order', async t => {
  const service = testService({ name: 'shop/web', clusterIP: '10.96.0.10' })
  const slices = [
    testSlice('shop/web', [{ ip: '10.244.2.7' }, { ip: '10.244.1.5' }], undefined, 'b'),
    testSlice('shop/web', [{ ip: '10.244.1.5', nodeName: 'node-1' }, { ip: '10.244.01.6' }, { ip: 'nonsense' }], undefined, 'a'),
    testSlice('shop/web', [{ ip: '10.244.9.1' }], [{ name: 'http', protocol: 'UDP', port: 8080 }], 'c'),
    testSlice('shop/web', [{ ip: '10.244.9.2' }], [{ name: 'admin', protocol: 'TCP', port: 8080 }], 'd'),
    testSlice('shop/web', [{ ip: '10.244.9.3' }], [{ name: 'http', protocol: 'TCP' }], 'e'),
    testSlice('shop/web', [{ ip: 'fd00::1' }], undefined, 'f'),
    testSlice('shop/other', [{ ip: '10.244.9.4' }]),
  ]
  const want = [
    { address: '10.244.1.5', port: 8080, isLocal: true },
    { address: '10.244.1.6', port: 8080, isLocal: false },
    { address: '10.244.2.7', port: 8080, isLocal: false },
  ]
  t.strictSame(first(service, ...slices).clusterEndpoints, want)
  t.strictSame(first(service, ...[...slices].reverse()).clusterEndpoints, want, 'also when listed in another order')
})

t.test('slices with a label of another proxy do not count', async t => {
  const slice = testSlice('shop/web', [{ ip: '10.244.1.5' }])
  const labels = { ...slice.metadata!.labels, 'service.kubernetes.io/service-proxy-name': 'other' }
  t.equal(
    first(testService({ name: 'shop/web', clusterIP: '10.96.0.10' }), { ...slice, metadata: { ...slice.metadata!, labels } }).internal,
    'reject',
  )
})

t.test('addresses and ranges from outside are made canonical, what is not valid is left out', async t => {
  const port = first(
    testService({
      name: 'shop/lb',
      clusterIP: '010.096.0.10',
      type: 'LoadBalancer',
      externalIPs: ['192.0.2.01', '2001:db8::1', 'x', '192.0.2.1'],
      ingress: [{ ip: '192.0.2.5' }, { ip: '192.0.2.6', ipMode: 'Proxy' }, { ip: '192.0.2.7', ipMode: 'VIP' }],
      loadBalancerSourceRanges: [' 203.0.113.7/24', '10.0.0.0/33', 'fd00::/64', '10.0.0.0/8'],
    }),
  )
  t.equal(port.clusterIP, '10.96.0.10')
  t.strictSame(port.externalIPs, ['192.0.2.1'])
  t.strictSame(port.loadBalancerIPs, ['192.0.2.5', '192.0.2.7'], 'a load balancer of mode Proxy is not short-circuited')
  t.strictSame(port.loadBalancerSourceRanges, ['203.0.113.0/24', '10.0.0.0/8'])
})

t.test('affinity and health check port', async t => {
  const sticky = { name: 'shop/web', clusterIP: '10.96.0.10', sessionAffinity: 'ClientIP' }
  t.equal(first(testService(sticky)).affinitySeconds, 10800)
  t.equal(first(testService({ ...sticky, sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } })).affinitySeconds, 5)
  t.equal(first(testService({ ...sticky, sessionAffinity: 'None' })).affinitySeconds, undefined)
  const balanced = { name: 'shop/lb', clusterIP: '10.96.0.10', type: 'LoadBalancer', healthCheckNodePort: 31000 }
  t.equal(first(testService({ ...balanced, externalTrafficPolicy: 'Local' })).healthCheckNodePort, 31000)
  t.equal(first(testService(balanced)).healthCheckNodePort, undefined, 'every node is as good: none is needed')
})

t.test('both families from the same objects', async t => {
  const services = [testService({ name: 'shop/web', clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10', 'fd00:96::10'] })]
  const slices = [testSlice('shop/web', [{ ip: '10.244.1.5' }]), testSlice('shop/web', [{ ip: 'fd00:244::5' }], undefined, 'six')]
  const six = build(services, slices, { ...testNode, family: 6, address: parseIp('fd01::11') })
  const [port] = [...six.ports.values()]
  t.equal(port?.clusterIP, 'fd00:96::10')
  t.strictSame(
    port?.clusterEndpoints.map(({ address }) => address),
    ['fd00:244::5'],
  )
})

t.test('what did not change is the same object', async t => {
  const objects = everyService()
  const before = buildServiceState({ ...objects, node: testNode })
  const again = buildServiceState(
    { services: [...objects.services], endpointSlices: [...objects.endpointSlices].reverse(), node: { ...testNode } },
    before,
  )
  t.equal(again.node, before.node)
  for (const [key, port] of before.ports) t.equal(again.ports.get(key), port, key)

  const touched = objects.services.map(service => ({ ...service, metadata: { ...service.metadata, annotations: { touched: 'yes' } } }))
  const same = buildServiceState({ services: touched, endpointSlices: objects.endpointSlices, node: testNode }, before)
  for (const [key, port] of before.ports) t.equal(same.ports.get(key), port, `${key}: new objects that say the same`)

  const [web, ...slices] = objects.endpointSlices
  const changed = buildServiceState(
    { ...objects, endpointSlices: [{ ...web!, endpoints: web!.endpoints!.slice(1) }, ...slices], node: testNode },
    before,
  )
  const differing = [...before.ports].filter(([key, port]) => changed.ports.get(key) !== port).map(([key]) => key)
  t.strictSame(differing, ['shop/web:http'])

  const elsewhere = { ...testNode, name: 'node-2', localDetector: { by: 'source', cidr: parseCidr('10.0.0.0/8') } as const }
  const moved = buildServiceState({ ...objects, node: elsewhere }, before)
  t.equal(moved.node, elsewhere)
  t.strictSame(moved, buildServiceState({ ...objects, node: elsewhere }), 'another node is decided anew')
})
