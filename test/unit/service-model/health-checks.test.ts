import t from 'tap'

import { buildServiceState } from '../../../src/service-model/build-service-state.js'
import { buildHealthChecks, countWithoutLocalEndpoints } from '../../../src/service-model/health-checks.js'
import { type TestEndpoint, testNode, testService, testSlice } from '../../support/service-objects.js'

const balanced = (name: string, healthCheckNodePort: number, ports = [{ name: 'http', port: 80 }]) =>
  testService({
    name,
    clusterIP: '10.96.0.10',
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort,
    ports,
    ingress: [{ ip: '192.0.2.1' }],
  })
const here = (ip: string, more: Partial<TestEndpoint> = {}): TestEndpoint => ({ ip, nodeName: 'node-1', ...more })
const leaving = { conditions: { ready: false, serving: true, terminating: true } }

t.test('the ready endpoints of this node are counted, each address once', async t => {
  const state = buildServiceState({
    services: [
      balanced('shop/web', 31001, [
        { name: 'http', port: 80 },
        { name: 'https', port: 443 },
      ]),
      balanced('shop/away', 31002),
      balanced('shop/leaving', 31003),
      testService({ name: 'shop/plain', clusterIP: '10.96.0.11' }),
    ],
    endpointSlices: [
      testSlice(
        'shop/web',
        [here('10.244.1.5'), here('10.244.1.6'), { ip: '10.244.2.7', nodeName: 'node-2' }],
        [
          { name: 'http', port: 8080 },
          { name: 'https', port: 8443 },
        ],
      ),
      testSlice('shop/away', [{ ip: '10.244.2.7', nodeName: 'node-2' }]),
      testSlice('shop/leaving', [here('10.244.1.8', leaving)]),
      testSlice('shop/plain', [here('10.244.1.9')]),
    ],
    node: testNode,
  })
  t.strictSame(buildHealthChecks(state), [
    { service: 'shop/away', port: 31002, localEndpoints: 0 },
    { service: 'shop/leaving', port: 31003, localEndpoints: 0 },
    { service: 'shop/web', port: 31001, localEndpoints: 2 },
  ])
})

t.test('ports that drop for want of an endpoint here are counted by policy', async t => {
  const away = [{ ip: '10.244.2.7', nodeName: 'node-2' }]
  const state = buildServiceState({
    services: [
      testService({ name: 'shop/internal', clusterIP: '10.96.0.10', internalTrafficPolicy: 'Local' }),
      testService({
        name: 'shop/external',
        clusterIP: '10.96.0.11',
        type: 'NodePort',
        externalTrafficPolicy: 'Local',
        ports: [{ name: 'http', port: 80, nodePort: 30080 }],
      }),
      testService({ name: 'shop/nobody', clusterIP: '10.96.0.12', internalTrafficPolicy: 'Local' }),
      testService({ name: 'shop/no-way-in', clusterIP: '10.96.0.13', externalTrafficPolicy: 'Local' }),
    ],
    endpointSlices: ['internal', 'external', 'no-way-in'].map(name => testSlice(`shop/${name}`, away)),
    node: testNode,
  })
  t.strictSame(countWithoutLocalEndpoints(state), { internal: 1, external: 1 })
})
