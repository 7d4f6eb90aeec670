import { writeFileSync } from 'node:fs'
import t from 'tap'

import { endpointslices, nodes, services } from '../../src/api/generated/resources.js'
import type { EndpointSlice, Service } from '../../src/api/generated/types.js'
import { systemClock } from '../../src/base/time/clock.js'
import { createClient } from '../../src/client/http-client.js'
import { loadKubeconfig } from '../../src/client/kubeconfig.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns } from '../../src/kernel/netns.js'
import { type ProxyAgentOptions, runProxyAgent } from '../../src/node/proxy/proxy-agent.js'
import { withApiServer } from '../support/api-server.js'
import { proxyMembers } from '../support/proxy-members.js'
import { until } from '../support/until.js'

const web: Service = {
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { app: 'web' }, clusterIP: '10.96.7.7', ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }] },
}
const slice: EndpointSlice = {
  metadata: { name: 'web-a', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ port: 8080, protocol: 'TCP' }],
  endpoints: [{ addresses: ['10.244.1.9'], conditions: { ready: true } }],
}

t.test('a proxy by itself follows any cluster, answers for itself, and cleans up after every mode', async t => {
  const netns = createNetns()
  t.teardown(() => netns.close())
  const node = localMachine.enter(netns.path)
  const rules = async () => {
    const [nft, iptables] = [await node.run(['nft', 'list', 'ruleset']), await node.run(['iptables-save'])]
    return `${nft.stdout}${iptables.stdout}`
  }
  await withApiServer(t, async api => {
    const client = createClient(loadKubeconfig(api.kubeconfig))
    t.teardown(() => client.close())
    const signal = new AbortController().signal
    await client.create(nodes, { metadata: { name: 'alien-1' } }, signal)
    const status = { addresses: [{ type: 'InternalIP', address: '192.0.2.11' }] }
    await client.patch(nodes, { name: 'alien-1' }, { status }, { type: 'merge', subresource: 'status' }, signal)
    await client.create(services, web, signal)
    await client.create(endpointslices, slice, signal)

    const config = `${t.testdir({})}/config.yaml`
    writeFileSync(
      config,
      `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clusterCIDR: 10.244.0.0/16
healthzBindAddress: 127.0.0.1:0
metricsBindAddress: 127.0.0.1:0
nodePortAddresses: [127.0.0.0/8]
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
clientConnection: {kubeconfig: ${api.kubeconfig}}
`,
    )
    const run = (options: Omit<ProxyAgentOptions, 'configFile' | 'hostnameOverride'>) => {
      const stop = new AbortController()
      const said: object[] = []
      const ended = runProxyAgent(
        { configFile: config, hostnameOverride: 'ALIEN-1', ...options },
        {
          membersFor: () => proxyMembers(node),
          hostname: () => 'not-this-one',
          connect: kubeconfig => createClient(loadKubeconfig(kubeconfig)),
          clock: systemClock,
          log: { info: fields => void said.push(fields), warn: (fields, message) => t.comment(message, fields) },
        },
        stop.signal,
      )
      const stopped = () => {
        stop.abort()
        return ended
      }
      return { said, stop: stopped, ended }
    }

    const proxy = run({ mode: 'nftables', cleanup: false })
    await until('the Service is in the kernel', async () => (await rules()).includes('10.244.1.9'))
    const { metrics } = proxy.said[0] as { readonly metrics: { readonly host: string; readonly port: number } }
    const measured = async () => (await fetch(`http://${metrics.host}:${metrics.port}/metrics`)).text()
    // The rules are there before the sync that made them has ended.
    await until('the sync is counted', async () => /^kubeproxy_sync_full_proxy_rules_duration_seconds_count [1-9]/m.test(await measured()))
    t.match(await rules(), /10\.96\.7\.7/)

    const moved = { ...slice, endpoints: [{ addresses: ['10.244.2.8'], conditions: { ready: true } }] }
    await client.patch(endpointslices, { namespace: 'default', name: 'web-a' }, { endpoints: moved.endpoints }, { type: 'merge' }, signal)
    await until('the endpoint moved in the kernel', async () => /10\.244\.2\.8/.test(await rules()) && !/10\.244\.1\.9/.test(await rules()))

    await proxy.stop()
    t.match(await rules(), /10\.244\.2\.8/, 'the rules stay when the proxy stops')
    await run({ cleanup: true }).ended
    t.notMatch(await rules(), /10\.96\.7\.7|kube-proxy|KUBE-/, 'nothing stays after a clean-up')

    const iptables = run({ mode: 'iptables', cleanup: false })
    await until('the Service is in iptables', async () => /KUBE-SVC/.test(await rules()))
    await iptables.stop()
    await run({ cleanup: true }).ended
    t.notMatch(await rules(), /KUBE-/)
  })
})
