import t from 'tap'

import { namespaces, networkpolicies, nodes, pods } from '../../src/api/generated/resources.js'
import { systemClock } from '../../src/base/time/clock.js'
import { createClient } from '../../src/client/http-client.js'
import { loadKubeconfig } from '../../src/client/kubeconfig.js'
import { execNftables } from '../../src/kernel/exec-nftables.js'
import { nftablesPolicy } from '../../src/netpol/nftables-backend.js'
import { runPolicyAgent } from '../../src/node/netpol/run-policy-agent.js'
import { withApiServer } from '../support/api-server.js'
import { createPolicyNetwork, policyNode } from '../support/policy-network.js'
import { until } from '../support/until.js'

const signal = AbortSignal.timeout(100_000)

t.test('the part by itself follows a cluster: policies, labels, Pods that go', async t => {
  await withApiServer(t, async api => {
    const network = await createPolicyNetwork(
      [
        { name: 'web', ip: '10.244.1.5', ip6: 'fd00:10:244:1::5', isLocal: true },
        { name: 'client', ip: '10.244.2.6', ip6: 'fd00:10:244:2::6', isLocal: false },
      ],
      [53],
    )
    t.teardown(() => network.close())
    const client = createClient(loadKubeconfig(api.kubeconfig))
    t.teardown(() => client.close())
    await client.create(nodes, { metadata: { name: 'node-1' }, spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] } }, signal)
    const addresses = [{ type: 'InternalIP', address: policyNode.ip }]
    await client.patch(nodes, { name: 'node-1' }, { status: { addresses } }, { type: 'merge', subresource: 'status' }, signal)
    await client.create(namespaces, { metadata: { name: 'shop' } }, signal)
    const addPod = async (name: string, nodeName: string, ip: string) => {
      const containers = [{ name: 'c', image: 'i' }]
      await client.create(pods, { metadata: { namespace: 'shop', name, labels: { app: name } }, spec: { nodeName, containers } }, signal)
      const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }] }
      await client.patch(pods, { namespace: 'shop', name }, { status }, { type: 'merge', subresource: 'status' }, signal)
    }
    await addPod('web', 'node-1', '10.244.1.5')
    await addPod('client', 'node-2', '10.244.2.6')

    const stop = new AbortController()
    const parts = {
      members: [{ mode: 'nftables' as const, backend: nftablesPolicy(execNftables(network.node.run)) }],
      clock: systemClock,
      log: { info: () => {}, warn: () => {} },
      hostname: () => 'node-1',
      connect: (kubeconfig: string) => createClient(loadKubeconfig(kubeconfig)),
    }
    const running = runPolicyAgent({ kubeconfig: api.kubeconfig, cleanup: false }, parts, stop.signal)
    t.teardown(() => stop.abort())

    let count = 0
    const reaches = async (): Promise<boolean> => {
      const key = `probe ${count++}`
      await network.send('client', [{ key, protocol: 'udp', ip: '10.244.1.5', port: 53 }])
      // Sent from the node itself it always arrives, and after the other.
      await network.send('node', [{ key: `${key} after`, protocol: 'udp', ip: '10.244.1.5', port: 53 }])
      await until('the node to reach its Pod', () => network.arrived.has(`${key} after`))
      return network.arrived.has(key)
    }
    t.ok(await reaches(), 'without a policy all is open')

    const key = { namespace: 'shop', name: 'web' }
    const ingress = [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 53, protocol: 'UDP' }] }]
    await client.create(networkpolicies, { metadata: key, spec: { podSelector: { matchLabels: { app: 'web' } } } }, signal)
    await until('the policy to deny', async () => !(await reaches()))
    await client.patch(networkpolicies, key, { spec: { ingress } }, { type: 'merge' }, signal)
    await until('its new rule to allow', reaches)
    await client.patch(pods, { namespace: 'shop', name: 'client' }, { metadata: { labels: { app: 'other' } } }, { type: 'merge' }, signal)
    await until('another label to deny, although the flow is known to conntrack', async () => !(await reaches()))
    await client.patch(pods, { namespace: 'shop', name: 'client' }, { metadata: { labels: { app: 'client' } } }, { type: 'merge' }, signal)
    await until('the old label to allow', reaches)
    await client.patch(
      pods,
      { namespace: 'shop', name: 'web' },
      { status: { phase: 'Succeeded' } },
      { type: 'merge', subresource: 'status' },
      signal,
    )
    await until('the address of a Pod that has ended to be closed', async () => !(await reaches()))
    await client.delete(networkpolicies, key, {}, signal)
    await until('all to be open again without policies', reaches)

    stop.abort()
    await running
    await runPolicyAgent({ cleanup: true }, parts, signal)
    t.equal((await network.node.run(['nft', 'list', 'ruleset'])).stdout, '', 'nothing is left')
  })
})
