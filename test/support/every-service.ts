import type { IpFamily } from '../../src/base/net/address.js'
import { testService, testSlice } from './service-objects.js'

/** One Service of every kind that makes rules of its own, with its EndpointSlices. */
export function everyService(family: IpFamily = 4) {
  const cluster = (n: number): string => (family === 4 ? `10.96.0.${n}` : `fd00:96::${n}`)
  const outer = (n: number): string => (family === 4 ? `192.0.2.${n}` : `2001:db8::${n}`)
  const pod = (n: number): string => (family === 4 ? `10.244.0.${n}` : `fd00:244::${n}`)
  const near = { nodeName: 'node-1' }
  const far = { nodeName: 'node-2' }
  const twoProtocols = [
    { name: 'dns', protocol: 'UDP', port: 53 },
    { name: 'sctp', protocol: 'SCTP', port: 9 },
  ]
  return {
    services: [
      testService({
        name: 'shop/web',
        clusterIP: cluster(10),
        type: 'NodePort',
        ports: [{ name: 'http', port: 80, nodePort: 30080 }],
        sessionAffinity: 'ClientIP',
      }),
      testService({ name: 'shop/dns', clusterIP: cluster(11), ports: twoProtocols }),
      testService({ name: 'shop/idle', clusterIP: cluster(12), type: 'NodePort', ports: [{ port: 80, nodePort: 30081 }] }),
      testService({
        name: 'shop/lb',
        clusterIP: cluster(13),
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 31000,
        ports: [{ name: 'http', port: 80, nodePort: 30082 }],
        externalIPs: [outer(1)],
        ingress: [{ ip: outer(2) }],
        loadBalancerSourceRanges: ['203.0.113.0/24', '172.30.0.0/16', 'fd01::/64'],
      }),
      testService({ name: 'shop/near', clusterIP: cluster(14), internalTrafficPolicy: 'Local' }),
    ],
    endpointSlices: [
      testSlice('shop/web', [
        { ip: pod(5), ...near },
        { ip: pod(6), ...far },
        { ip: pod(7), ...far },
      ]),
      testSlice('shop/dns', [{ ip: pod(8), ...near }], twoProtocols),
      testSlice('shop/lb', [{ ip: pod(9), ...far }]),
      testSlice('shop/near', [{ ip: pod(10), ...far }]),
    ],
  }
}
