import t from 'tap'

import { buildServiceState } from '../../../src/service-model/build-service-state.js'
import { staleUdpFlows } from '../../../src/service-model/stale-udp-flows.js'
import { testNode, testService, testSlice } from '../../support/service-objects.js'

const udp = { name: 'dns', protocol: 'UDP', port: 53, nodePort: 30053 }
const state = buildServiceState({
  services: [
    testService({
      name: 'shop/dns',
      clusterIP: '10.96.0.10',
      type: 'LoadBalancer',
      ports: [udp, { name: 'tcp', port: 54 }],
      externalIPs: ['192.0.2.1'],
      ingress: [{ ip: '192.0.2.2' }],
    }),
    testService({ name: 'shop/idle', clusterIP: '10.96.0.11', ports: [{ name: 'dns', protocol: 'UDP', port: 53 }] }),
  ],
  endpointSlices: [
    testSlice(
      'shop/dns',
      [
        { ip: '10.244.1.5' },
        { ip: '10.244.1.6', conditions: { ready: false, serving: true, terminating: true } },
        { ip: '10.244.1.7', conditions: { ready: false, serving: false, terminating: true } },
      ],
      [{ name: 'dns', protocol: 'UDP', port: 5353 }],
    ),
  ],
  node: testNode,
})

const flows: Readonly<Record<string, readonly [dst: string, dport: number, answeredBy: string, answeredFrom: number, isStale: boolean]>> = {
  'to a ready endpoint': ['10.96.0.10', 53, '10.244.1.5', 5353, false],
  'to an endpoint that leaves but serves': ['10.96.0.10', 53, '10.244.1.6', 5353, false],
  'to an endpoint that serves no more': ['10.96.0.10', 53, '10.244.1.7', 5353, true],
  'to an endpoint that is gone': ['10.96.0.10', 53, '10.244.1.8', 5353, true],
  'to another port of an endpoint': ['10.96.0.10', 53, '10.244.1.5', 53, true],
  'never rewritten, since before the Service': ['10.96.0.10', 53, '10.96.0.10', 53, true],
  'to a Service that has no endpoint': ['10.96.0.11', 53, '10.244.1.5', 5353, true],
  'by an external address': ['192.0.2.1', 53, '10.244.1.8', 5353, true],
  'by the load balancer': ['192.0.2.2', 53, '10.244.1.8', 5353, true],
  'by the NodePort': ['192.168.99.1', 30053, '10.244.1.8', 5353, true],
  'by the NodePort to a good endpoint': ['172.30.0.11', 30053, '10.244.1.5', 5353, false],
  'to the node itself at that port, since before the NodePort': ['172.30.0.11', 30053, '172.30.0.11', 30053, true],
  'of a Pod that uses that port number for itself': ['10.244.3.3', 30053, '10.244.3.3', 30053, false],
  'to a port of a Service that is TCP': ['10.96.0.10', 54, '10.244.1.8', 5353, false],
  'to no Service': ['10.244.1.8', 53, '10.244.1.8', 53, false],
}

for (const [name, [dst, dport, src, sport, isStale]] of Object.entries(flows)) {
  t.test(name, async t => {
    t.equal(staleUdpFlows(state, [{ orig: { dst, dport }, reply: { src, sport } }]).length, isStale ? 1 : 0)
  })
}
