import t, { type Test } from 'tap'
import { parseKubeProxyConfiguration } from '../../../../src/node/proxy/kube-proxy-configuration.js'
import { startProxySurroundings } from '../../../../src/node/proxy/proxy-surroundings.js'
import { buildServiceState } from '../../../../src/service-model/build-service-state.js'
import type { ServiceState } from '../../../../src/service-model/service-state.js'
import { freePort } from '../../../support/free-port.js'
import { heldClock } from '../../../support/held-clock.js'
import { testNode, testService, testSlice } from '../../../support/service-objects.js'
import { until } from '../../../support/until.js'

const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'
const onLoopback = `${head}healthzBindAddress: 127.0.0.1:0\nmetricsBindAddress: 127.0.0.1:0\nnodePortAddresses: [127.0.0.0/8]\n`
const quiet = { info: () => {}, warn: () => {} }

async function rig(t: Test, state: () => ServiceState | undefined) {
  const clock = heldClock()
  const surroundings = await startProxySurroundings({
    configuration: parseKubeProxyConfiguration(onLoopback, 'config.yaml'),
    mode: () => 'nftables',
    states: () => [state() ?? []].flat(),
    slices: () => [...(state()?.origins.values() ?? [])].flatMap(({ slices }) => slices),
    healthLimitMs: 60_000,
    clock,
    log: quiet,
  })
  t.teardown(() => surroundings.close())
  const ask = async (server: 'healthz' | 'metrics', path: string) => {
    const { host, port } = surroundings.places[server]!
    const response = await fetch(`http://${host}:${port}${path}`)
    return { status: response.status, body: await response.text() }
  }
  const synced = () => surroundings.observer.onSynced({ startedAt: clock.now(), durationMs: 20, isFull: true })
  return { clock, surroundings, ask, synced }
}

t.test('/healthz and /livez follow the rules; a node that goes is not eligible but alive', async t => {
  const { clock, surroundings, ask, synced } = await rig(t, () => undefined)
  synced()
  t.match(await ask('healthz', '/healthz'), { status: 200, body: /"nodeEligible":true/ })

  surroundings.sliceChanged()
  await clock.advance(59_000)
  t.equal((await ask('healthz', '/healthz')).status, 200, 'a change may wait a while')
  await clock.advance(2_000)
  t.equal((await ask('healthz', '/healthz')).status, 503, 'but not for ever')
  t.equal((await ask('healthz', '/livez')).status, 503)
  synced()
  t.equal((await ask('healthz', '/livez')).status, 200)

  surroundings.nodeChanged({ spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } })
  t.match(await ask('healthz', '/healthz'), { status: 503, body: /"nodeEligible":false/ })
  t.equal((await ask('healthz', '/livez')).status, 200)
  surroundings.nodeChanged({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } })
  t.equal((await ask('healthz', '/healthz')).status, 503)
})

t.test('metrics have the names of kube-proxy, and say what happened', async t => {
  const service = testService({ name: 'shop/web', clusterIP: '10.96.0.10', externalTrafficPolicy: 'Local', type: 'NodePort' })
  const slice = testSlice('shop/web', [{ ip: '10.244.2.9', nodeName: 'node-2' }])
  const state = buildServiceState({ services: [service], endpointSlices: [slice], node: testNode }, undefined)
  const { surroundings, ask, synced } = await rig(t, () => state)
  surroundings.serviceChanged()
  surroundings.sliceChanged()
  t.match((await ask('metrics', '/metrics')).body, /^kubeproxy_sync_proxy_rules_endpoint_changes_pending 1$/m)
  synced()
  surroundings.observer.onFailed({ startedAt: 0, durationMs: 1, isFull: false })
  await ask('healthz', '/livez')
  const { status, body } = await ask('metrics', '/metrics')
  t.equal(status, 200)
  for (const line of [
    /^kubeproxy_sync_proxy_rules_endpoint_changes_pending 0$/m,
    /^kubeproxy_sync_proxy_rules_service_changes_total 1$/m,
    /^kubeproxy_sync_proxy_rules_duration_seconds_count 1$/m,
    /^kubeproxy_sync_full_proxy_rules_duration_seconds_count 1$/m,
    /^kubeproxy_sync_proxy_rules_nftables_sync_failures_total 1$/m,
    /^kubeproxy_proxy_livez_total\{code="200"\} 1$/m,
    /^kubeproxy_sync_proxy_rules_last_timestamp_seconds \d/m,
  ])
    t.match(body, line)
  t.same(await ask('metrics', '/proxyMode'), { status: 200, body: 'nftables' })
  t.match(JSON.parse((await ask('metrics', '/configz')).body), { 'kubeproxy.config.k8s.io': { kind: 'KubeProxyConfiguration' } })
  t.equal((await ask('metrics', '/elsewhere')).status, 404)
})

t.test('a health check port opens with its Service, counts local ready endpoints, and closes with it', async t => {
  const port = await freePort()
  const service = testService({
    name: 'shop/web',
    clusterIP: '10.96.0.10',
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: port,
  })
  const of = (...ready: readonly boolean[]) => {
    const endpoints = ready.map((isReady, i) => ({
      ip: `10.244.1.${i + 2}`,
      nodeName: testNode.name,
      conditions: { ready: isReady, serving: true, terminating: !isReady },
    }))
    const slices = [testSlice('shop/web', [...endpoints, { ip: '10.244.2.9', nodeName: 'node-2' }])]
    return buildServiceState({ services: [service], endpointSlices: slices, node: testNode }, undefined)
  }
  let state: ServiceState | undefined = of(true, true)
  const { synced } = await rig(t, () => state)
  const ask = () => fetch(`http://127.0.0.1:${port}/`)

  synced()
  await until('the port answers', () =>
    ask().then(
      () => true,
      () => false,
    ),
  )
  const two = await ask()
  t.equal(two.status, 200)
  t.equal(two.headers.get('x-load-balancing-endpoint-weight'), '2')
  t.strictSame(await two.json(), { service: { namespace: 'shop', name: 'web' }, localEndpoints: 2, serviceProxyHealthy: true })

  state = of(false)
  synced()
  t.equal((await ask()).status, 503, 'endpoints that terminate do not count')

  state = buildServiceState({ services: [], endpointSlices: [], node: testNode }, undefined)
  synced()
  await until('the port is closed', () =>
    ask().then(
      () => false,
      () => true,
    ),
  )
})
