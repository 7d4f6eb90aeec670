import t from 'tap'

import type { NetworkPolicy, Pod } from '../../../src/api/generated/types.js'
import { parseCidr, parseIp } from '../../../src/base/net/address.js'
import { fakeNftables } from '../../../src/kernel/fake-nftables.js'
import { type AppliedPolicy, nftablesPolicy } from '../../../src/netpol/nftables-backend.js'
import { type PolicyModelInput, policyModel } from '../../../src/netpol/policy-model.js'

const signal = new AbortController().signal

const pod = (name: string, node: string, ip: string, more: { readonly app?: string; readonly born?: string } = {}): Pod => ({
  metadata: { namespace: 'shop', name, labels: { app: more.app ?? name }, creationTimestamp: more.born ?? '2026-01-01T00:00:00Z' },
  spec: { nodeName: node, containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }] },
  status: { phase: 'Running', podIP: ip },
})
const policy = (name: string, spec: NonNullable<NetworkPolicy['spec']>): NetworkPolicy => ({ metadata: { namespace: 'shop', name }, spec })
const letsClientsIn = policy('web', {
  podSelector: { matchLabels: { app: 'web' } },
  ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 'http' }] }],
})
const web = pod('web', 'node-1', '10.244.1.5')
const client = pod('client', 'node-2', '10.244.2.6')
const given: PolicyModelInput = {
  pods: [web, client],
  namespaces: [{ metadata: { name: 'shop' } }],
  nodes: [],
  policies: [letsClientsIn],
  clusterPolicies: [],
  node: { name: 'node-1', addresses: [parseIp('172.30.0.11')], podRanges: [parseCidr('10.244.1.0/24')] },
  attached: [],
}
const peersOf = (input: PolicyModelInput) => [...policyModel().build(input).groups.values()].flatMap(({ addresses }) => [...addresses])

t.test('what did not change is the same object', async t => {
  const model = policyModel()
  const first = model.build(given)
  t.equal(model.build({ ...given, pods: [...given.pods] }), first, 'the same objects are the same state')
  t.equal(model.build({ ...given, pods: [{ ...web }, { ...client }] }), first, 'so are equal ones')
  const second = model.build({ ...given, pods: [web, client, pod('client-2', 'node-2', '10.244.2.7', { app: 'client' })] })
  t.not(second.groups, first.groups)
  t.equal(second.chains, first.chains)
  t.equal(second.pods, first.pods)
  t.equal(model.build({ ...given, policies: [] }).pods.get('shop/web')?.profiles.ingress.NetworkPolicy, undefined)
})

t.test('of two Pods with one address the younger has it', async t => {
  const heir = pod('heir', 'node-2', '10.244.2.6', { born: '2026-01-02T00:00:00Z' })
  t.strictSame(peersOf({ ...given, pods: [web, client, heir] }), [])
  t.strictSame(peersOf(given), ['10.244.2.6'])
})

t.test('an address that CNI has given counts before the status tells it', async t => {
  const early: Pod = { ...web, status: { phase: 'Pending' } }
  const attached = [{ pod: 'shop/web', addresses: [parseIp('10.244.1.9')] }]
  const model = policyModel()
  t.strictSame(model.build({ ...given, pods: [early, client] }).pods.get('shop/web')?.addresses, [])
  t.strictSame(model.build({ ...given, pods: [early, client], attached }).pods.get('shop/web')?.addresses, ['10.244.1.9'])
})

t.test('a change is a transaction with what changed alone', async t => {
  const nftables = fakeNftables()
  const backend = nftablesPolicy(nftables)
  const model = policyModel()
  let applied: AppliedPolicy = await backend.observe(signal)
  const sync = async (input: PolicyModelInput): Promise<string> => {
    const plan = backend.plan(model.build(input), applied)
    applied = await backend.apply(plan, signal)
    return plan.transaction
  }
  await sync(given)
  t.equal(await sync(given), '', 'nothing changed')
  const another = pod('client-2', 'node-2', '10.244.2.7', { app: 'client' })
  const joined = await sync({ ...given, pods: [web, client, another] })
  t.match(
    joined,
    /^add element inet podwire-policy group4-[0-9A-F]+ \{\n10\.244\.2\.7\n\}\n(add element inet podwire-policy named4-[0-9A-F]+ [^}]*\}\n)$/,
  )
  await sync({ ...given, policies: [] })
  await backend.apply(backend.plan(undefined, applied), signal)
  t.equal((await nftables.list({ family: 'inet', table: 'podwire-policy' }, signal)) ?? 'gone', 'gone')
})
