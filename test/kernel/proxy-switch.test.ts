/** Every ordered pair of modes that this kernel has, switched under open connections: what is kept and what is lost is counted. */
import t from 'tap'

import { execIptables } from '../../src/kernel/exec-iptables.js'
import { execNftables } from '../../src/kernel/exec-nftables.js'
import type { Host } from '../../src/kernel/host.js'
import { cleanUpServices, proxySwitch } from '../../src/node/proxy/proxy-switch.js'
import { buildServiceState } from '../../src/service-model/build-service-state.js'
import { type Backend, flowNodes, type PlaceName, places } from '../suites/service-flows.js'
import { proxyMembers } from '../support/proxy-members.js'
import { createServiceNetwork } from '../support/service-network.js'
import { testService, testSlice } from '../support/service-objects.js'

const signal = AbortSignal.timeout(110_000)

const ports = [
  { name: 'open', protocol: 'TCP', port: 81, nodePort: 30081 },
  { name: 'udp', protocol: 'UDP', port: 80, nodePort: 30080 },
]
const targets = [
  { name: 'open', protocol: 'TCP', port: 8081 },
  { name: 'udp', protocol: 'UDP', port: 8080 },
]
const endpoints = (['near', 'near2', 'far'] as const).map(name => ({
  ip: places[name],
  nodeName: name === 'far' ? 'node-2' : 'node-1',
}))
const objects = {
  services: [
    testService({ name: 'shop/web', clusterIP: '10.96.0.10', type: 'NodePort', ports, externalIPs: ['192.0.2.10'] }),
    testService({
      name: 'shop/sticky',
      clusterIP: '10.96.0.11',
      sessionAffinity: 'ClientIP',
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    }),
  ],
  endpointSlices: [
    testSlice('shop/web', endpoints, targets),
    testSlice('shop/sticky', endpoints, [{ name: 'http', protocol: 'TCP', port: 8080 }]),
  ],
}
const wanted = (mode: Backend) => ({ mode, states: new Map([[4 as const, buildServiceState({ ...objects, node: flowNodes[mode] })]]) })

/** Doors with connections open while the mode changes, four each. */
const doors: readonly { readonly from: PlaceName; readonly ip: string; readonly port: number }[] = [
  { from: 'client', ip: '10.96.0.10', port: 81 },
  { from: 'client', ip: '192.0.2.10', port: 81 },
  { from: 'outside', ip: places.node, port: 30081 },
  { from: 'node', ip: '10.96.0.10', port: 81 },
]
const connectionsEach = 4

/** What a switch costs: docs/proxy-switching.md says the same. */
interface Cost {
  readonly tcpLost: number
  readonly udpLost: number
  /** Whether a client with session affinity goes on to the endpoint it had. */
  readonly isAffinityKept: boolean
}
const pairs: Readonly<Record<string, { readonly from: Backend; readonly to: Backend; readonly cost: Cost }>> = {
  'iptables to nftables': { from: 'iptables', to: 'nftables', cost: { tcpLost: 0, udpLost: 0, isAffinityKept: false } },
  'nftables to iptables': { from: 'nftables', to: 'iptables', cost: { tcpLost: 0, udpLost: 0, isAffinityKept: false } },
}

for (const [name, { from, to, cost }] of Object.entries(pairs)) {
  t.test(name, async t => {
    const network = await createServiceNetwork()
    t.teardown(() => network.close())
    const all = proxySwitch(proxyMembers(network.node))
    let applied = await all.apply(all.plan(wanted(from), await all.observe(signal)), signal)

    for (const { from: place, ...to } of doors) await network.open(place, connectionsEach, to)
    const kept = async () => (await Promise.all((['client', 'outside', 'node'] as const).map(place => network.speak(place)))).flat()
    const before = await kept()
    t.equal(before.length, doors.length * connectionsEach)
    const udp = () =>
      network.ask('client', {
        ip: '10.96.0.10',
        port: 80,
        protocol: 'udp',
        sourcePort: 40000,
        places: ['nobody' as PlaceName],
        attempts: 1,
        patienceMs: 5_000,
      })
    const firstUdp = await udp()
    const sticky = () =>
      network.ask('client', {
        ip: '10.96.0.11',
        port: 80,
        protocol: 'tcp',
        places: ['nobody' as PlaceName],
        attempts: 12,
        patienceMs: 5_000,
      })
    const firstSticky = await sticky()
    t.equal(firstSticky.answers.length, 1, 'the client stays')

    applied = await all.apply(all.plan(wanted(to), applied), signal)

    const after = await kept()
    t.equal(before.length - after.length, cost.tcpLost, 'TCP connections lost')
    t.strictSame(after, before, 'each still at the endpoint it had')
    const laterUdp = await udp()
    t.equal(laterUdp.answers[0] === firstUdp.answers[0] ? 0 : 1, cost.udpLost, 'UDP flows lost')
    const laterSticky = await sticky()
    t.equal(laterSticky.answers.length, 1, 'the client stays with one again')
    if (cost.isAffinityKept) t.strictSame(laterSticky.answers, firstSticky.answers)

    t.strictSame(await left(network.node, from), [], 'nothing of the old mode stays')
    const again = await all.observe(signal)
    t.notMatch(JSON.stringify(all.plan(wanted(to), again).enter), /COMMIT|add |delete /, 'all of the new one is there')

    const fresh = await network.ask('outside', {
      ip: places.node,
      port: 30080,
      protocol: 'udp',
      places: ['near', 'far'],
      attempts: 60,
      patienceMs: 5_000,
    })
    t.equal(fresh.answers.length >= 2, true, 'new flows are served')

    await cleanUpServices(proxyMembers(network.node), signal)
    t.strictSame([...(await left(network.node, from)), ...(await left(network.node, to))], [], 'clean-up leaves nothing of either')
    t.equal(applied.mode, to)
  })
}

t.test('leftovers of kube-proxy in another mode are taken away by the first sync', async t => {
  const network = await createServiceNetwork()
  t.teardown(() => network.close())
  await network.node.run(['nft', '-f', '-'], {
    input:
      'add table ip kube-proxy\nadd chain ip kube-proxy services\nadd map ip kube-proxy service-ips { type ipv4_addr . inet_proto . inet_service : verdict; comment "x"; }\n',
  })
  await network.node.run(['iptables-nft-restore', '--noflush'], {
    input: [
      '*nat',
      ':KUBE-SERVICES - [0:0]',
      ':KUBE-SVC-ABCDEFGHIJKLMNOP - [0:0]',
      ':CNI-X - [0:0]',
      '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      '-A KUBE-SERVICES -d 10.96.9.9/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-ABCDEFGHIJKLMNOP',
      '-A CNI-X -j RETURN',
      'COMMIT\n',
    ].join('\n'),
  })
  const all = proxySwitch(proxyMembers(network.node))
  await all.apply(all.plan(wanted('iptables'), await all.observe(signal)), signal)
  t.strictSame(await left(network.node, 'nftables'), [])
  const nat = await execIptables(network.node.run).save('nat', signal)
  t.notMatch(nat, /10\.96\.9\.9|ABCDEFGHIJKLMNOP/, 'what kube-proxy had of a Service that is gone')
  t.match(nat, /^-A CNI-X -j RETURN$/m, 'what is not of a service proxy stays')
  await cleanUpServices(proxyMembers(network.node), signal)
  t.strictSame(await left(network.node, 'iptables'), [])
})

t.test('a mode that the agent has not is refused, and nothing is touched', async t => {
  const network = await createServiceNetwork()
  t.teardown(() => network.close())
  const all = proxySwitch(proxyMembers(network.node))
  const applied = await all.apply(all.plan(wanted('nftables'), await all.observe(signal)), signal)
  const ipvs = { ...wanted('nftables'), mode: 'ipvs' as const }
  await t.rejects(all.apply(all.plan(ipvs, applied), signal), { code: 'KERNEL_UNSUPPORTED' })
  t.equal((await left(network.node, 'nftables')).length, 1)
})

/** What a mode has in the kernel now. */
async function left(node: Host, mode: Backend): Promise<readonly string[]> {
  if (mode === 'nftables') {
    return (await execNftables(node.run).list({ family: 'ip', table: 'kube-proxy' }, signal)) === undefined ? [] : ['table ip kube-proxy']
  }
  const iptables = execIptables(node.run)
  const saved = [await iptables.save('nat', signal), await iptables.save('filter', signal), await iptables.save('mangle', signal)]
  return saved.join('\n').match(/^.*KUBE-.*$/gm) ?? []
}
