import fc from 'fast-check'
import t from 'tap'

import type { NetworkPolicy } from '../../../src/api/generated/types.js'
import { type Ip, parseIp } from '../../../src/base/net/address.js'
import type { ClusterNetworkPolicy, ClusterRule } from '../../../src/netpol/cluster-network-policy.js'
import { decide, type FlowEnd, type PolicyFlow } from '../../../src/netpol/decide.js'
import { type PolicyPod, type PolicyWorld, policyPod } from '../../../src/netpol/policy-world.js'

const pod = (key: string, ip: string, labels: Record<string, string> = {}): PolicyPod => ({
  key,
  namespace: key.split('/')[0]!,
  labels,
  node: 'node-1',
  addresses: [parseIp(ip)],
  ports: [{ name: 'http', protocol: 'tcp', port: 8080 }],
  bornAt: 0,
})
const web = pod('shop/web', '10.244.1.5', { app: 'web' })
const client = pod('shop/client', '10.244.1.6', { app: 'client' })
const other = pod('other/client', '10.244.2.7', { app: 'client' })
const pods = [web, client, other]
const node = { name: 'node-1', labels: { zone: 'a' }, addresses: [parseIp('172.30.0.11')] }

const world = (policies: readonly NetworkPolicy[] = [], clusterPolicies: readonly ClusterNetworkPolicy[] = []): PolicyWorld => ({
  pods,
  namespaces: new Map([
    ['shop', { team: 'shop' }],
    ['other', { team: 'other' }],
  ]),
  nodes: [node],
  policies,
  clusterPolicies,
})
const policy = (spec: NetworkPolicy['spec'], name = 'p'): NetworkPolicy => ({ metadata: { namespace: 'shop', name }, spec: spec! })
const end = (of: PolicyPod | Ip): FlowEnd => (typeof of === 'string' ? { ip: of } : { ip: of.addresses[0]!, pod: of })
const flow = (from: PolicyPod | Ip, to: PolicyPod | Ip, port = 80, protocol: PolicyFlow['protocol'] = 'tcp'): PolicyFlow =>
  protocol === 'icmp' ? { from: end(from), to: end(to), protocol } : { from: end(from), to: end(to), protocol, port }
const allows = (given: PolicyWorld, asked: PolicyFlow): boolean => decide(asked, given).isAllowed
const outside = parseIp('192.0.2.9')

const cases: Record<string, { readonly spec: NonNullable<NetworkPolicy['spec']>; readonly flow: PolicyFlow; readonly isAllowed: boolean }> =
  {
    'a policy without rules isolates': { spec: { podSelector: {} }, flow: flow(client, web), isAllowed: false },
    'an empty rule allows all': { spec: { podSelector: {}, ingress: [{}] }, flow: flow(outside, web, 9, 'sctp'), isAllowed: true },
    'without policyTypes egress is not touched': { spec: { podSelector: {} }, flow: flow(web, outside), isAllowed: true },
    'a Pod selector is of the own namespace': {
      spec: { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }] }] },
      flow: flow(other, web),
      isAllowed: false,
    },
    'both selectors of one peer must hold': {
      spec: {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'other' } }, podSelector: { matchLabels: { app: 'web' } } }] }],
      },
      flow: flow(other, web),
      isAllowed: false,
    },
    'NotIn holds where the label is missing': {
      spec: {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: { matchExpressions: [{ key: 'x', operator: 'NotIn', values: ['y'] }] } }] }],
      },
      flow: flow(other, web),
      isAllowed: true,
    },
    'a range holds for Pod addresses too': {
      spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.244.0.0/16' } }] }] },
      flow: flow(other, web),
      isAllowed: true,
    },
    'what a range leaves out is not in it': {
      spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.244.0.0/16', except: ['10.244.2.0/24'] } }] }] },
      flow: flow(other, web),
      isAllowed: false,
    },
    'one range gives what another leaves out': {
      spec: {
        podSelector: {},
        ingress: [{ from: [{ ipBlock: { cidr: '10.244.0.0/16', except: ['10.244.2.0/24'] } }, { ipBlock: { cidr: '10.244.2.7/32' } }] }],
      },
      flow: flow(other, web),
      isAllowed: true,
    },
    'a port without a protocol is of TCP': {
      spec: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] },
      flow: flow(client, web, 80, 'udp'),
      isAllowed: false,
    },
    'a protocol without a port is any port': {
      spec: { podSelector: {}, ingress: [{ ports: [{ protocol: 'SCTP' }] }] },
      flow: flow(client, web, 7, 'sctp'),
      isAllowed: true,
    },
    'endPort is in the range': {
      spec: { podSelector: {}, ingress: [{ ports: [{ port: 80, endPort: 90 }] }] },
      flow: flow(client, web, 90),
      isAllowed: true,
    },
    'the port after endPort is not': {
      spec: { podSelector: {}, ingress: [{ ports: [{ port: 80, endPort: 90 }] }] },
      flow: flow(client, web, 91),
      isAllowed: false,
    },
    'a named port of egress is the destination’s': {
      spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 'http' }] }] },
      flow: flow(client, other, 8080),
      isAllowed: true,
    },
    'outside no port has a name': {
      spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 'http' }] }] },
      flow: flow(client, outside, 8080),
      isAllowed: false,
    },
    'a rule with ports does not allow ICMP': {
      spec: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] },
      flow: flow(client, web, 0, 'icmp'),
      isAllowed: false,
    },
    'a rule without ports allows ICMP': {
      spec: { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] },
      flow: flow(client, web, 0, 'icmp'),
      isAllowed: true,
    },
    'the own node always reaches its Pods': { spec: { podSelector: {} }, flow: flow(node.addresses[0]!, web), isAllowed: true },
    'a Pod always reaches its own node': {
      spec: { podSelector: {}, policyTypes: ['Egress'] },
      flow: flow(web, node.addresses[0]!),
      isAllowed: true,
    },
  }

for (const [name, { spec, flow: asked, isAllowed }] of Object.entries(cases)) {
  t.test(name, async t => void t.equal(allows(world([policy(spec)]), asked), isAllowed))
}

const cluster = (tier: 'Admin' | 'Baseline', priority: number, rules: readonly ClusterRule[]): ClusterNetworkPolicy => ({
  metadata: { name: `${tier.toLowerCase()}-${priority}` },
  spec: { tier, priority, subject: { namespaces: {} }, ingress: rules },
})
const fromAll = [{ namespaces: {} }]

t.test('tiers', async t => {
  const deny = cluster('Admin', 5, [{ action: 'Deny', from: fromAll }])
  const accept = cluster('Admin', 4, [{ action: 'Accept', from: fromAll, protocols: [{ tcp: { destinationPort: { number: 80 } } }] }])
  const pass = cluster('Admin', 1, [{ action: 'Pass', from: fromAll, name: 'let them decide' }])
  const isolate = policy({ podSelector: {} })
  const open = policy({ podSelector: {}, ingress: [{}] })
  const baseline = cluster('Baseline', 0, [{ action: 'Deny', from: fromAll }])
  t.equal(allows(world([open], [deny]), flow(client, web)), false, 'Admin counts more than NetworkPolicy')
  t.equal(allows(world([isolate], [deny, accept]), flow(client, web)), true, 'the lower priority value is asked first')
  t.equal(allows(world([], [deny, accept]), flow(client, web, 81)), false, 'ports are looked at')
  t.equal(allows(world([open], [deny, pass]), flow(client, web)), true, 'Pass skips the tier')
  t.equal(allows(world([open], [baseline]), flow(client, web)), true, 'NetworkPolicy counts more than Baseline')
  t.equal(allows(world([], [baseline]), flow(client, web)), false, 'Baseline counts where NetworkPolicy is silent')
  const verdict = decide(flow(client, web), world([isolate], [pass])).ingress
  t.strictSame(verdict, {
    isAllowed: false,
    by: 'NetworkPolicy',
    rules: [{ kind: 'NetworkPolicy', policy: 'shop/p' }],
    passedBy: [{ kind: 'ClusterNetworkPolicy', policy: 'admin-1', rule: 0, ruleName: 'let them decide' }],
  })
})

t.test('what is not enforced fails closed', async t => {
  const to = [{ domainNames: ['example.org'] }]
  const egress = (action: ClusterRule['action']): ClusterNetworkPolicy => ({
    metadata: { name: 'names' },
    spec: {
      tier: 'Admin',
      priority: 0,
      subject: { namespaces: {} },
      egress: [
        { action, to },
        { action: 'Deny', to: [{ networks: ['192.0.2.0/24'] }] },
      ],
    },
  })
  t.equal(allows(world([], [egress('Accept')]), flow(client, outside)), false)
  t.equal(allows(world([], [egress('Pass')]), flow(client, web)), false)
})

t.test('Pods of the host network and those that have ended are none', async t => {
  const metadata = { namespace: 'shop', name: 'a' }
  t.equal(policyPod({ metadata, spec: { hostNetwork: true, containers: [] } }), undefined)
  t.equal(policyPod({ metadata, spec: { containers: [] }, status: { phase: 'Succeeded', podIP: '10.244.1.9' } }), undefined)
})

t.test('properties', async t => {
  const port = fc.record({ protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'), port: fc.integer({ min: 1, max: 4 }) })
  const peer = fc.constantFrom(
    { podSelector: {} },
    { podSelector: { matchLabels: { app: 'client' } } },
    { namespaceSelector: {} },
    { ipBlock: { cidr: '10.244.2.0/24' } },
  )
  const rule = fc.record({ from: fc.array(peer, { maxLength: 2 }), ports: fc.array(port, { maxLength: 2 }) })
  const policies = fc.array(
    fc.array(rule, { maxLength: 3 }).map(ingress => policy({ podSelector: {}, ingress })),
    { maxLength: 3 },
  )
  const flows = fc
    .tuple(fc.constantFrom(client, other), fc.integer({ min: 1, max: 5 }), fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const))
    .map(([from, at, protocol]) => flow(from, web, at, protocol))

  fc.assert(
    fc.property(policies, flows, (all, asked) => allows(world(all), asked) === allows(world(all.toReversed()), asked)),
    { seed: 8 },
  )
  t.pass('the order of NetworkPolicies means nothing')
  fc.assert(
    fc.property(policies, rule, flows, (all, more, asked) => {
      const isolated = [policy({ podSelector: {} }), ...all]
      const before = allows(world(isolated), asked)
      return !before || allows(world([...isolated, policy({ podSelector: {}, ingress: [more] })]), asked)
    }),
    { seed: 8 },
  )
  t.pass('once a Pod is isolated, a further policy only allows more')
  fc.assert(
    fc.property(policies, flows, (all, asked) => {
      const { isAllowed, ingress } = decide(asked, world(all))
      return isAllowed === (all.length === 0 || ingress.rules.some(({ rule }) => rule !== undefined))
    }),
    { seed: 8 },
  )
  t.pass('what is allowed names the rule, what is denied the policies')
})
