import t from 'tap'

import { buildServiceState } from '../../../src/service-model/build-service-state.js'
import type { ServiceState } from '../../../src/service-model/service-state.js'
import { type TestEndpoint, type TestService, testNode, testService, testSlice } from '../../support/service-objects.js'

const here = 'node-1'
const there = 'node-2'
const ready = (ip: string, nodeName: string, rest: Partial<TestEndpoint> = {}): TestEndpoint => ({
  ip: `10.244.0.${ip}`,
  nodeName,
  ...rest,
})
const unready = (ip: string, nodeName: string): TestEndpoint => ready(ip, nodeName, { conditions: { ready: false, serving: false } })
/** On its way out, still answering. */
const leaving = (ip: string, nodeName: string): TestEndpoint =>
  ready(ip, nodeName, { conditions: { ready: false, serving: true, terminating: true } })
/** On its way out and no longer answering. */
const gone = (ip: string, nodeName: string): TestEndpoint =>
  ready(ip, nodeName, { conditions: { ready: false, serving: false, terminating: true } })

interface Situation {
  readonly service?: Partial<TestService>
  readonly endpoints: readonly TestEndpoint[]
  readonly zone?: string
  /** Last octets of the endpoints for each policy and both, then the fate of internal and external traffic. */
  readonly want: readonly [cluster: string, local: string, reachable: string, internal: string, external: string]
}
const nodePort = { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] }
const internalLocal = { internalTrafficPolicy: 'Local' }
const externalLocal = { ...nodePort, externalTrafficPolicy: 'Local' }

const situations: Readonly<Record<string, Situation>> = {
  'no endpoint at all': { endpoints: [], want: ['', '', '', 'reject', 'reject'] },
  'all ready': { endpoints: [ready('1', here), ready('2', there)], want: ['1 2', '', '1 2', 'forward', 'forward'] },
  'conditions that are not said count as ready': {
    endpoints: [ready('1', there, { conditions: {} })],
    want: ['1', '', '1', 'forward', 'forward'],
  },
  'unready ones do not count': { endpoints: [ready('1', here), unready('2', here)], want: ['1', '', '1', 'forward', 'forward'] },
  'none ready': { endpoints: [unready('1', here), unready('2', there)], want: ['', '', '', 'reject', 'reject'] },
  'a ready one keeps terminating ones out': {
    endpoints: [ready('1', here), leaving('2', here)],
    want: ['1', '', '1', 'forward', 'forward'],
  },
  'none ready: those that still serve': {
    endpoints: [leaving('1', here), leaving('2', there), gone('3', here)],
    want: ['1 2', '', '1 2', 'forward', 'forward'],
  },
  'serving but neither ready nor terminating does not count': {
    endpoints: [ready('1', here, { conditions: { ready: false, serving: true } })],
    want: ['', '', '', 'reject', 'reject'],
  },
  'ready and terminating at once (publishNotReadyAddresses) is ready': {
    endpoints: [ready('1', here, { conditions: { ready: true, serving: true, terminating: true } }), unready('2', here)],
    want: ['1', '', '1', 'forward', 'forward'],
  },

  'internal Local, one here': {
    service: internalLocal,
    endpoints: [ready('1', here), ready('2', there)],
    want: ['', '1', '1', 'forward', 'forward'],
  },
  'internal Local, none here': { service: internalLocal, endpoints: [ready('2', there)], want: ['', '', '', 'drop', 'forward'] },
  'internal Local, none anywhere': { service: internalLocal, endpoints: [unready('1', here)], want: ['', '', '', 'reject', 'reject'] },
  'internal Local, only a leaving one here': {
    service: internalLocal,
    endpoints: [leaving('1', here), ready('2', there)],
    want: ['', '1', '1', 'forward', 'forward'],
  },
  'internal Local, only a gone one here': {
    service: internalLocal,
    endpoints: [gone('1', here), ready('2', there)],
    want: ['', '', '', 'drop', 'forward'],
  },
  'internal Local with a node port needs the cluster list too': {
    service: { ...internalLocal, ...nodePort },
    endpoints: [ready('1', here), ready('2', there)],
    want: ['1 2', '1', '1 2', 'forward', 'forward'],
  },
  'internal Local with a node port, none here': {
    service: { ...internalLocal, ...nodePort },
    endpoints: [ready('2', there)],
    want: ['2', '', '2', 'drop', 'forward'],
  },

  'external Local without an external way in changes nothing': {
    service: { externalTrafficPolicy: 'Local' },
    endpoints: [ready('1', here), ready('2', there)],
    want: ['1 2', '', '1 2', 'forward', 'forward'],
  },
  'external Local, one here': {
    service: externalLocal,
    endpoints: [ready('1', here), ready('2', there)],
    want: ['1 2', '1', '1 2', 'forward', 'forward'],
  },
  'external Local, none here': { service: externalLocal, endpoints: [ready('2', there)], want: ['2', '', '2', 'forward', 'drop'] },
  'external Local, none anywhere': { service: externalLocal, endpoints: [gone('2', here)], want: ['', '', '', 'reject', 'reject'] },
  'external Local, a leaving one here serves while others are ready elsewhere': {
    service: externalLocal,
    endpoints: [leaving('1', here), ready('2', there)],
    want: ['2', '1', '1 2', 'forward', 'forward'],
  },
  'external Local, all leaving': {
    service: externalLocal,
    endpoints: [leaving('1', here), leaving('2', there)],
    want: ['1 2', '1', '1 2', 'forward', 'forward'],
  },
  'both Local': {
    service: { ...externalLocal, ...internalLocal },
    endpoints: [ready('1', here), ready('2', there)],
    want: ['1 2', '1', '1 2', 'forward', 'forward'],
  },
  'both Local, none here': {
    service: { ...externalLocal, ...internalLocal },
    endpoints: [ready('2', there)],
    want: ['2', '', '2', 'drop', 'drop'],
  },

  'zone hints for this zone': {
    endpoints: [ready('1', there, { hints: { zones: ['zone-a'] } }), ready('2', there, { hints: { zones: ['zone-b'] } })],
    want: ['1', '', '1', 'forward', 'forward'],
  },
  'zone hints, one endpoint has none': {
    endpoints: [ready('1', there, { hints: { zones: ['zone-a'] } }), ready('2', there)],
    want: ['1 2', '', '1 2', 'forward', 'forward'],
  },
  'zone hints, one unready endpoint has none': {
    endpoints: [ready('1', there, { hints: { zones: ['zone-a'] } }), unready('2', there)],
    want: ['1', '', '1', 'forward', 'forward'],
  },
  'zone hints, none for this zone': {
    endpoints: [ready('1', there, { hints: { zones: ['zone-b'] } }), ready('2', there, { hints: { zones: ['zone-c'] } })],
    want: ['1 2', '', '1 2', 'forward', 'forward'],
  },
  'zone hints, the node has no zone': {
    endpoints: [ready('1', there, { hints: { zones: ['zone-a'] } }), ready('2', there, { hints: { zones: ['zone-b'] } })],
    zone: '',
    want: ['1 2', '', '1 2', 'forward', 'forward'],
  },
  'an endpoint may be hinted for several zones': {
    endpoints: [ready('1', there, { hints: { zones: ['zone-a', 'zone-b'] } }), ready('2', there, { hints: { zones: ['zone-b'] } })],
    want: ['1', '', '1', 'forward', 'forward'],
  },
  'node hints for this node go before zone hints': {
    endpoints: [
      ready('1', here, { hints: { nodes: [here], zones: ['zone-a'] } }),
      ready('2', there, { hints: { nodes: [there], zones: ['zone-a'] } }),
    ],
    want: ['1', '', '1', 'forward', 'forward'],
  },
  'node hints for other nodes: zone hints count': {
    endpoints: [
      ready('1', there, { hints: { nodes: [there], zones: ['zone-a'] } }),
      ready('2', there, { hints: { nodes: [there], zones: ['zone-b'] } }),
    ],
    want: ['1', '', '1', 'forward', 'forward'],
  },
  'hints do not count for terminating endpoints': {
    endpoints: [leaving('1', there), { ...leaving('2', there), hints: { zones: ['zone-b'] } }],
    want: ['1 2', '', '1 2', 'forward', 'forward'],
  },
  'hints and external Local: the local one is reachable though it is hinted for others': {
    service: externalLocal,
    endpoints: [ready('1', here, { hints: { zones: ['zone-b'] } }), ready('2', there, { hints: { zones: ['zone-a'] } })],
    want: ['2', '1', '1 2', 'forward', 'forward'],
  },
}

const octets = (endpoints: readonly { readonly address: string }[]): string =>
  endpoints.map(({ address }) => address.split('.')[3]).join(' ')

for (const [name, { service, endpoints, zone, want }] of Object.entries(situations)) {
  t.test(name, t => {
    const node = { ...testNode, zone: zone === '' ? undefined : testNode.zone }
    const services = [testService({ name: 'shop/web', clusterIP: '10.96.0.10', ...service })]
    const port = only(buildServiceState({ services, endpointSlices: [testSlice('shop/web', endpoints)], node }))
    const got = [octets(port.clusterEndpoints), octets(port.localEndpoints), octets(port.reachableEndpoints), port.internal, port.external]
    t.strictSame(got, want)
    t.end()
  })
}

function only({ ports }: ServiceState) {
  const [port, ...others] = ports.values()
  if (port === undefined || others.length > 0) throw new Error('expected one port')
  return port
}
