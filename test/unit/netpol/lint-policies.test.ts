import t from 'tap'

import type { NetworkPolicy } from '../../../src/api/generated/types.js'
import { parseIp } from '../../../src/base/net/address.js'
import { lintPolicies } from '../../../src/netpol/lint-policies.js'
import type { PolicyPod, PolicyWorld } from '../../../src/netpol/policy-world.js'

const pod = (key: string, ip: string, labels: Record<string, string>): PolicyPod => ({
  key,
  namespace: key.split('/')[0]!,
  labels,
  node: 'node-1',
  addresses: [parseIp(ip)],
  ports: [{ name: 'http', protocol: 'tcp', port: 80 }],
  bornAt: 0,
})
const world: PolicyWorld = {
  pods: [pod('shop/web', '10.244.1.5', { app: 'web' }), pod('kube-system/dns', '10.244.1.2', { 'k8s-app': 'kube-dns' })],
  namespaces: new Map([
    ['shop', {}],
    ['kube-system', {}],
  ]),
  nodes: [],
  policies: [],
  clusterPolicies: [],
}
const problems = (spec: NonNullable<NetworkPolicy['spec']>): readonly string[] =>
  lintPolicies({ ...world, policies: [{ metadata: { namespace: 'shop', name: 'p' }, spec }] }).map(({ problem }) => problem)

t.test('policies', async t => {
  t.strictSame(problems({ podSelector: { matchLabels: { app: 'wbe' } } }), ['selects nothing: no Pod of its namespace has these labels'])
  t.strictSame(problems({ podSelector: {} }), ['allows nothing: it has no rule for ingress'])
  t.strictSame(problems({ podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'x' } } }] }] }), [
    'ingress rule 0 allows nothing: no Pod is its peer',
  ])
  t.strictSame(problems({ podSelector: {}, ingress: [{ ports: [{ port: 'https' }, { port: 'http' }] }] }), [
    'ingress rule 0 names port https, which none of the Pods it goes to has',
  ])
  t.strictSame(problems({ podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 443 }] }] }), [
    'forgets DNS: shop/web may reach no name server of the cluster on UDP port 53',
  ])
  t.strictSame(
    problems({ podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 443 }, { port: 53, protocol: 'UDP' }] }] }),
    [],
  )
})

t.test('what is left out is said', async t => {
  const findings = lintPolicies({
    ...world,
    clusterPolicies: [
      {
        metadata: { name: 'names' },
        spec: {
          tier: 'Admin',
          priority: 1,
          subject: { namespaces: {} },
          egress: [{ action: 'Accept', to: [{ domainNames: ['example.org'] }] }],
        },
      },
    ],
  })
  t.match(findings, [{ kind: 'ClusterNetworkPolicy', policy: 'names', problem: /domainNames: it matches nothing/ }])
})
