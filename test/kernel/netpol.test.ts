import fc from 'fast-check'
import t from 'tap'

import type { Namespace, NetworkPolicy, Node, Pod } from '../../src/api/generated/types.js'
import type { PolicyMode } from '../../src/base/config/agent-config.js'
import { parseCidr, parseIp } from '../../src/base/net/address.js'
import { execIpset } from '../../src/kernel/exec-ipset.js'
import { execIptables } from '../../src/kernel/exec-iptables.js'
import { execNftables } from '../../src/kernel/exec-nftables.js'
import type { Host } from '../../src/kernel/host.js'
import type { ClusterNetworkPolicy } from '../../src/netpol/cluster-network-policy.js'
import { decide, type FlowEnd } from '../../src/netpol/decide.js'
import { iptablesPolicy } from '../../src/netpol/iptables-backend.js'
import { nftablesPolicy } from '../../src/netpol/nftables-backend.js'
import { policyModel } from '../../src/netpol/policy-model.js'
import type { PolicyState } from '../../src/netpol/policy-state.js'
import type { PolicyMember } from '../../src/netpol/policy-switch.js'
import { policyPod, policyWorld } from '../../src/netpol/policy-world.js'
import { createPolicyNetwork, type PolicyNetwork, type PolicyPlace, type Probe, policyNode } from '../support/policy-network.js'
import { clusterPolicies, networkPolicies, type PolicyVocabulary } from '../support/random-policies.js'
import { until } from '../support/until.js'

const signal = AbortSignal.timeout(110_000)
const seed = Number(process.env.NETPOL_SEED ?? 8)
/** Each is up to 5 NetworkPolicies and 3 ClusterNetworkPolicies; more with NETPOL_ROUNDS. */
const rounds = Number(process.env.NETPOL_ROUNDS ?? 30)

const place = (name: string, ip: string, isLocal: boolean): PolicyPlace => {
  const [, , third, last] = ip.split('.')
  return { name, ip, ip6: `fd00:10:244:${third}::${last}`, isLocal }
}
const places = [
  place('a1', '10.244.1.5', true),
  place('a2', '10.244.1.6', true),
  place('b1', '10.244.1.7', true),
  place('a3', '10.244.2.5', false),
  place('b2', '10.244.2.6', false),
  place('out', '192.0.2.9', false),
]
const placeOf = (name: string) => (name === 'node' ? policyNode : places.find(each => each.name === name)!)

const pod = (name: string, namespace: string, labels: Record<string, string>): Pod => {
  const { ip, ip6 } = placeOf(name)
  return {
    metadata: { namespace, name, labels, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      nodeName: ip.startsWith('10.244.1.') ? 'node-1' : 'node-2',
      // The same name is another port in another Pod.
      containers: [
        {
          name: 'c',
          ports: [
            { name: 'http', containerPort: name === 'a1' ? 80 : 81 },
            { name: 'dns', protocol: 'UDP', containerPort: 53 },
          ],
        },
      ],
    },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }, { ip: ip6 }] },
  }
}
const pods = [
  pod('a1', 'a', { app: 'web', tier: 'front' }),
  pod('a2', 'a', { app: 'client' }),
  pod('b1', 'b', { app: 'web' }),
  pod('a3', 'a', { app: 'web', tier: 'back' }),
  pod('b2', 'b', { app: 'client', tier: 'front' }),
]
const namespaces: Namespace[] = ['a', 'b'].map(name => ({ metadata: { name, labels: { app: name === 'a' ? 'web' : 'other' } } }))
const nodes: Node[] = [
  {
    metadata: { name: 'node-1', labels: {} },
    status: { addresses: [policyNode.ip, policyNode.ip6].map(address => ({ type: 'InternalIP', address })) },
  },
]
const node = {
  name: 'node-1',
  addresses: [policyNode.ip, policyNode.ip6].map(parseIp),
  podRanges: ['10.244.1.0/24', 'fd00:10:244:1::/64'].map(parseCidr),
}
const words: PolicyVocabulary = {
  namespaces: ['a', 'b'],
  labels: { app: ['web', 'client'], tier: ['front', 'back'] },
  ranges: [
    { cidr: '10.244.0.0/16' },
    { cidr: '0.0.0.0/0', except: ['10.244.2.0/24', '192.0.2.9/32'] },
    { cidr: '192.0.2.0/24' },
    { cidr: '10.244.1.5/32' },
    { cidr: '::/0', except: ['fd00:10:244:2::/64'] },
    { cidr: 'fd00:10:244:1::/64' },
  ],
  ports: [53, 80, 81],
  names: ['http', 'dns', 'nowhere'],
}
const asked = [
  { protocol: 'tcp', port: 80 },
  { protocol: 'tcp', port: 81 },
  { protocol: 'udp', port: 53 },
  { protocol: 'udp', port: 80 },
] as const

interface Given {
  readonly policies: readonly NetworkPolicy[]
  readonly clusterPolicies: readonly ClusterNetworkPolicy[]
  readonly pods?: readonly Pod[]
}

const endOf = (name: string, family: 4 | 6, all: readonly Pod[]): FlowEnd => {
  const { ip, ip6 } = placeOf(name)
  const object = all.find(({ metadata }) => metadata?.name === name)
  const found = object && policyPod(object)
  return { ip: parseIp(family === 4 ? ip : ip6), ...(found && { pod: found }) }
}

/** Every probe of one round by whether it must arrive. Rules of the other nodes are not here. */
function wanted({ pods: all = pods, ...given }: Given, round: number) {
  const world = policyWorld({ pods: all, namespaces, nodes, ...given })
  const names = [...places.map(({ name }) => name), 'node']
  const isLocal = ({ pod }: FlowEnd) => pod?.node === 'node-1'
  return names.flatMap(from =>
    names
      .filter(to => to !== from)
      .flatMap(to =>
        ([4, 6] as const).flatMap(family =>
          asked.map(({ protocol, port }) => {
            const flow = { from: endOf(from, family, all), to: endOf(to, family, all), protocol, port }
            const verdict = decide(flow, world)
            const isAllowed =
              (!isLocal(flow.from) || verdict.egress.isAllowed) && (!isLocal(flow.to) || verdict.ingress.isAllowed || from === 'node')
            const probe: Probe = { key: `${round} ${from}>${to} ${protocol}/${port} v${family}`, protocol, ip: flow.to.ip, port }
            return { from, probe, isAllowed }
          }),
        ),
      ),
  )
}

async function compare(network: PolicyNetwork, all: ReturnType<typeof wanted>): Promise<readonly string[]> {
  // What must not arrive goes first: when the rest has arrived, it has had its time.
  for (const isAllowed of [false, true]) {
    const now = all.filter(each => each.isAllowed === isAllowed)
    await Promise.all(
      [...new Set(now.map(({ from }) => from))].map(from =>
        network.send(
          from,
          now.filter(each => each.from === from).map(({ probe }) => probe),
        ),
      ),
    )
  }
  const due = all.filter(({ isAllowed }) => isAllowed).map(({ probe }) => probe.key)
  await until('all allowed probes', () => due.every(key => network.arrived.has(key)), 3_000).catch(() => {})
  return all.flatMap(({ probe, isAllowed }) =>
    network.arrived.has(probe.key) === isAllowed ? [] : [`${probe.key} ${isAllowed ? 'did not arrive' : 'arrived'}`],
  )
}

/** Every way to enforce; each is held to the same rounds. */
const ways: readonly { readonly mode: PolicyMode; readonly backend: (run: Host['run']) => PolicyMember['backend'] }[] = [
  { mode: 'nftables', backend: run => nftablesPolicy(execNftables(run)) },
  {
    mode: 'iptables',
    backend: run => iptablesPolicy({ ipset: execIpset(run), iptables: { 4: execIptables(run), 6: execIptables(run, 6) } }),
  },
]

for (const { mode, backend: backendOf } of ways)
  t.test(mode, async t => {
    const network = await createPolicyNetwork(places, [53, 80])
    t.teardown(() => network.close())
    const backend = backendOf(network.node.run)
    const model = policyModel()
    let applied = await backend.observe(signal)
    let state: PolicyState | undefined
    let round = 0
    const enforce = async ({ pods: all = pods, ...given }: Given) => {
      state = model.build({ pods: all, namespaces, nodes, node, attached: [], ...given })
      applied = await backend.apply(backend.plan(state, applied), signal)
    }

    await t.test('without policies everything passes', async t => {
      const given: Given = { policies: [], clusterPolicies: [] }
      await enforce(given)
      t.strictSame(await compare(network, wanted(given, round++)), [])
    })

    await t.test(`${rounds} sets of random policies, each applied as a change of the one before`, async t => {
      const sets = fc.sample(fc.tuple(networkPolicies(words), clusterPolicies(words)), { numRuns: rounds, seed })
      let denied = 0
      for (const [policies, clusters] of sets) {
        const given: Given = { policies, clusterPolicies: clusters }
        await enforce(given)
        const all = wanted(given, round++)
        denied += all.filter(({ isAllowed }) => !isAllowed).length
        const wrong = await compare(network, all)
        if (wrong.length > 0) {
          t.fail(`round ${round - 1}, seed ${seed}: ${wrong.slice(0, 5).join('; ')}`, { given: JSON.stringify(given) })
          return
        }
      }
      t.ok(denied > rounds, `${denied} flows were denied`)
    })

    await t.test('the kernel lists what the plan says', async t => {
      const observed = await backend.observe(signal)
      t.strictSame(backend.plan(state, observed), backend.plan(state, applied), 'nothing is to be done')
    })

    await t.test('a Pod that is not known yet is closed, an address that was reused bears nothing', async t => {
      const isolate: NetworkPolicy = { metadata: { namespace: 'a', name: 'p' }, spec: { podSelector: { matchLabels: { app: 'web' } } } }
      const given: Given = { policies: [isolate], clusterPolicies: [], pods: pods.filter(({ metadata }) => metadata?.name !== 'b1') }
      await enforce(given)
      const all = wanted(given, round++).filter(({ probe: { key } }) => !key.includes(' node>b1 ') && !key.includes(' b1>node '))
      const closed = all.map(each => (/\bb1\b/.test(each.probe.key) ? { ...each, isAllowed: false } : each))
      t.strictSame(await compare(network, closed), [])
      const reused = pods.map(each =>
        each.metadata?.name === 'a1' ? { ...each, metadata: { ...each.metadata, labels: { app: 'fresh' } } } : each,
      )
      const then: Given = { policies: [isolate], clusterPolicies: [], pods: reused }
      await enforce(then)
      t.strictSame(await compare(network, wanted(then, round++)), [])
    })

    await t.test('nothing wanted leaves nothing', async t => {
      applied = await backend.apply(backend.plan(undefined, applied), signal)
      t.notMatch((await network.node.run(['nft', 'list', 'ruleset'])).stdout, /podwire|PWPOL/)
      t.equal((await network.node.run(['ipset', 'save'])).stdout, '')
    })
  })
