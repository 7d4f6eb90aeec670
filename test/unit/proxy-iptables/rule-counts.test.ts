import t from 'tap'

import { renderState } from '../../../src/proxy-iptables/plan.js'
import type { ChainRules } from '../../../src/proxy-iptables/ruleset.js'
import { buildServiceState } from '../../../src/service-model/build-service-state.js'
import { testNode, testService, testSlice } from '../../support/service-objects.js'

/**
 * kube-proxy's published figures (number_generated_rules_test.go). It has one nat rule more for each NodePort: one that only counts
 * connections to 127.0.0.1 for a metric, and that it leaves out on kernels without nfacct, as we do.
 */
const countingRules = 1

type Row = readonly [services: number, endpoints: number, nat: number, filter: number]
const clusterIP: readonly Row[] = [
  [0, 0, 5, 4],
  [1, 0, 5, 5],
  [1, 1, 10, 4],
  [1, 2, 13, 4],
  [1, 10, 37, 4],
  [10, 0, 5, 14],
  [10, 1, 55, 4],
  [10, 2, 85, 4],
  [10, 10, 325, 4],
]
const loadBalancer: readonly Row[] = [
  [0, 0, 5, 4],
  [1, 0, 5, 8],
  [1, 1, 18, 5],
  [1, 2, 21, 5],
  [1, 10, 45, 5],
  [10, 0, 5, 44],
  [10, 1, 135, 14],
  [10, 2, 165, 14],
  [10, 10, 405, 14],
]

const count = (chains: ChainRules): number =>
  [...chains].filter(([chain]) => chain.startsWith('KUBE-')).reduce((sum, [, rules]) => sum + rules.length, 0)

for (const [kind, rows] of Object.entries({ clusterIP, loadBalancer })) {
  for (const [services, endpoints, nat, filter] of rows) {
    t.test(`${kind}: ${services} Services of ${endpoints} endpoints`, t => {
      const numbers = Array.from({ length: services }, (_, i) => i)
      const balancer = {
        type: 'LoadBalancer',
        externalIPs: ['1.2.3.4'],
        ingress: [{ ip: '1.2.3.4' }],
        loadBalancerSourceRanges: [' 1.2.3.4/28'],
      }
      const state = buildServiceState({
        services: numbers.map(i =>
          testService({
            name: `namespace/svc${i}`,
            clusterIP: `10.0.0.${i + 1}`,
            ports: [{ name: 'http', port: 80 + i, ...(kind === 'loadBalancer' ? { nodePort: 30000 + i } : {}) }],
            ...(kind === 'loadBalancer' ? balancer : {}),
          }),
        ),
        endpointSlices: numbers.map(i =>
          testSlice(
            `namespace/svc${i}`,
            Array.from({ length: endpoints }, (_, j) => ({ ip: `172.16.0.${j + 1}` })),
          ),
        ),
        node: testNode,
      })
      const rules = renderState(state)
      const counting = kind === 'loadBalancer' && endpoints > 0 ? services * countingRules : 0
      t.strictSame([count(rules.nat), count(rules.filter)], [nat - counting, filter])
      t.end()
    })
  }
}
