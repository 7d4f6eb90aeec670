import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'

import { endpointslices, nodes as nodeResource, services } from '../../src/api/generated/resources.js'
import type { Node } from '../../src/api/generated/types.js'
import { systemClock } from '../../src/base/time/clock.js'
import type { Client } from '../../src/client/client.js'
import { createClient } from '../../src/client/http-client.js'
import { loadKubeconfig } from '../../src/client/kubeconfig.js'
import { builtProgram } from '../../src/kernel/built-program.js'
import { execNftables } from '../../src/kernel/exec-nftables.js'
import { nftablesPolicy } from '../../src/netpol/nftables-backend.js'
import { type AgentSettings, startAgent } from '../../src/node/agent/agent.js'
import { markAnnotations } from '../../src/node/agent/node-peers.js'
import { iptablesProxy } from '../../src/proxy-iptables/backend.js'
import { withApiServer } from '../support/api-server.js'
import { type CniNode, createCniNodes, podAddress, runIn } from '../support/cni-nodes.js'

const deadline = AbortSignal.timeout(120_000)

/** Resolves when `condition` gives something; asks again at every turn of the event loop. */
async function until<T>(what: string, condition: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (;;) {
    const result = await condition()
    if (result) return result
    if (deadline.aborted) throw new Error(`waited in vain for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** An agent of `node` in this process, with a kubelet that only registers its Node; stopped as SIGTERM would. */
async function startTestAgent(t: Test, { node, client, name = node.name }: { node: CniNode; client: Client; name?: string }) {
  const dir = mkdtempSync(join(tmpdir(), 'podwire-agent-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const config: AgentSettings = {
    nodeName: name,
    uplink: 'eth0',
    podCidr: '10.244.0.0/16',
    serviceCidr: '10.96.0.0/16',
    underlayMtu: 1500,
    underlay: [{ address: node.address, prefix: 24 }],
    datapath: { kind: 'vxlan', vni: 1, port: 4789 },
    proxy: { mode: 'iptables', masqueradeAll: false },
    netpol: 'nftables',
    cni: {
      confDir: join(dir, 'net.d'),
      binDir: join(dir, 'bin'),
      chainedDir: '/usr/lib/cni',
      socket: join(dir, 'cni.sock'),
      stateDir: join(dir, 'state'),
    },
  }
  const stop = new AbortController()
  const warnings: string[] = []
  const agent = await startAgent(
    config,
    {
      client,
      stack: node.stack,
      proxies: [{ mode: 'iptables', family: 4, backend: iptablesProxy({ iptables: node.stack.iptables }) }],
      policies: [{ mode: 'nftables', backend: nftablesPolicy(execNftables(node.stack.run)) }],
      createKubelet: () => ({
        async run(signal) {
          const object: Node = { metadata: { name } }
          await client.create(nodeResource, object, signal)
          const status = { addresses: [{ type: 'InternalIP', address: node.address }] }
          await client.patch(nodeResource, { name }, { status }, { type: 'merge', subresource: 'status' }, signal)
        },
      }),
      programs: { forwarder: builtProgram('cni-forward'), plugin: builtProgram('cni.js'), node: process.execPath },
      clock: systemClock,
      log: { info: () => {}, warn: (facts, message) => void warnings.push(`${message}: ${JSON.stringify(facts)}`), error: () => {} },
    },
    stop.signal,
  )
  return {
    config,
    warnings,
    stop: async () => {
      stop.abort()
      await agent.stopped
    },
  }
}

t.test('agents bring the network of their nodes up when they get their ranges, and follow each other', async t => {
  const cluster = createCniNodes(2)
  t.teardown(() => cluster.close())
  const [one, two] = [cluster.nodes[0]!, cluster.nodes[1]!]
  await withApiServer(t, async api => {
    const client = createClient(loadKubeconfig(api.kubeconfig))
    const first = await startTestAgent(t, { node: one, client })
    const conflist = join(first.config.cni.confDir, '10-podwire.conflist')
    const isThere = (file: string) => statSync(file, { throwIfNoEntry: false }) !== undefined

    await until('the Node', () => client.get(nodeResource, { name: one.name }).catch(() => undefined))
    t.notOk(isThere(conflist), 'no network before there is a range')
    t.ok(isThere(first.config.cni.socket), 'but calls are answered')

    const giveRange = (node: CniNode) =>
      client.patch(nodeResource, { name: node.name }, { spec: { podCIDR: node.podRange } }, { type: 'merge' })
    const started = performance.now()
    await giveRange(one)
    await until('the configuration', () => isThere(conflist))
    t.comment(`network ready ${(performance.now() - started).toFixed(0)} ms after the range`)
    t.match(JSON.parse(readFileSync(conflist, 'utf8')), {
      name: 'podwire',
      plugins: [{ type: 'podwire', mtu: 1450, ranges: ['10.244.1.0/24'] }, { type: 'portmap' }, { type: 'bandwidth' }],
    })
    t.strictSame(readdirSync(first.config.cni.binDir).sort(), ['bandwidth', 'loopback', 'podwire', 'podwire-cni', 'portmap'])
    const own = await until(
      'the mark',
      async () => (await client.get(nodeResource, { name: one.name })).metadata?.annotations?.[markAnnotations.vtepMac],
    )
    t.equal(own, '0a:58:0a:f4:01:00')

    const second = await startTestAgent(t, { node: two, client })
    await until('the second Node', () => client.get(nodeResource, { name: two.name }).catch(() => undefined))
    await giveRange(two)
    const routes = (node: CniNode) => runIn(node.netns, 'ip', 'route', 'show', 'dev', 'vxlan0')
    await until('routes both ways', () => routes(one).includes('10.244.2.0/24') && routes(two).includes('10.244.1.0/24'))
    await two.datapath.setUpNode(deadline)
    t.match(runIn(one.netns, 'busybox', 'ping', '-c', '1', '-W', '2', podAddress(two, 1)), /1 packets received/)

    const port = { name: 'http', port: 80, protocol: 'TCP' }
    await client.create(services, { metadata: { name: 'web', namespace: 'default' }, spec: { clusterIP: '10.96.0.50', ports: [port] } })
    await client.create(endpointslices, {
      metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.244.1.9'], conditions: { ready: true } }],
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    })
    await until('the rule', () => runIn(two.netns, 'iptables-nft-save', '-t', 'nat').includes('--to-destination 10.244.1.9:8080'))

    await client.delete(nodeResource, { name: two.name })
    await until('no route', () => routes(one) === '')
    t.equal(runIn(one.netns, 'bridge', 'fdb', 'show', 'dev', 'vxlan0'), '')

    const before = runIn(two.netns, 'iptables-nft-save', '-t', 'nat')
    for (const agent of [first, second]) await agent.stop()
    t.notOk(isThere(first.config.cni.socket), 'the socket is gone')
    t.ok(isThere(conflist), 'all else stays')
    t.equal(runIn(two.netns, 'iptables-nft-save', '-t', 'nat').split('\n').length, before.split('\n').length)
    t.ok(one.stack.rtnetlink.link('vxlan0')?.isUp)
    t.strictSame([...first.warnings, ...second.warnings], [])
    client.close()
  })
})

t.test('an agent that starts again takes over what is there', async t => {
  const cluster = createCniNodes(1)
  t.teardown(() => cluster.close())
  const node = cluster.nodes[0]!
  await withApiServer(t, async api => {
    const client = createClient(loadKubeconfig(api.kubeconfig))
    await node.datapath.setUpNode(deadline)
    const pod = cluster.newContainer('a/b')
    t.equal((await node.call('ADD', pod)).status, 0)
    const links = () => node.stack.rtnetlink.links().map(({ index, name }) => `${index} ${name}`)
    const before = links()
    const agent = await startTestAgent(t, { node, client })
    await until('the Node', () => client.get(nodeResource, { name: node.name }).catch(() => undefined))
    await client.patch(nodeResource, { name: node.name }, { spec: { podCIDR: node.podRange } }, { type: 'merge' })
    await until(
      'the mark',
      async () => (await client.get(nodeResource, { name: node.name })).metadata?.annotations?.[markAnnotations.vtepMac],
    )
    t.strictSame(links(), before)
    t.match(runIn(pod.netns, 'busybox', 'ping', '-c', '1', '-W', '2', podAddress(node, 1)), /1 packets received/)
    await agent.stop()
    client.close()
  })
})
