import { setMaxListeners } from 'node:events'
import { readFile } from 'node:fs/promises'

import t, { type Test } from 'tap'

import { configmaps, leases, nodes, pods, services } from '../../../../src/api/generated/resources.js'
import type { Container, Pod } from '../../../../src/api/generated/types.js'
import type { Client } from '../../../../src/client/client.js'
import { createClient } from '../../../../src/client/http-client.js'
import { createInformer } from '../../../../src/client/http-informer.js'
import { loadKubeconfig } from '../../../../src/client/kubeconfig.js'
import { localMachine } from '../../../../src/kernel/local-machine.js'
import { createKubelet } from '../../../../src/node/kubelet/kubelet.js'
import type { KubeletConfig } from '../../../../src/node/kubelet/kubelet-config.js'
import { withApiServer } from '../../../support/api-server.js'
import { type FakePodRuntime, fakePodRuntime } from '../../../support/fake-pod-runtime.js'
import { type HeldClock, heldClock } from '../../../support/held-clock.js'
import { kubeletConfig } from '../../../support/kubelet-config.js'
import { until } from '../../../support/until.js'

interface Rig {
  readonly client: Client
  readonly runtime: FakePodRuntime
  readonly clock: HeldClock
  readonly config: KubeletConfig
  get(name: string): Promise<Pod>
  main(name: string): Promise<NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number] | undefined>
  /** Lets a second pass again and again until the condition holds. */
  eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void>
}

/** A kubelet over the fake runtime and a real API server, on a clock that the test moves. */
async function withKubelet(t: Test, use: (rig: Rig) => Promise<void>): Promise<void> {
  await withApiServer(t, async api => {
    const dir = t.testdir({})
    const config = { ...kubeletConfig, rootDir: `${dir}/kubelet`, podLogsDir: `${dir}/pods` }
    const clock = heldClock(Date.now())
    const runtime = fakePodRuntime(clock, ['app'])
    const client = createClient(loadKubeconfig(api.kubeconfig))
    const stop = new AbortController()
    setMaxListeners(0, stop.signal)
    const allServices = createInformer(client, services)
    const log = { info() {}, warn() {}, error() {} }
    const kubelet = createKubelet({ config, client, runtime, services: allServices, host: localMachine, clock, log })
    const running = Promise.all([kubelet.run(stop.signal), allServices.run(stop.signal)])
    const get = (name: string) => client.get(pods, { namespace: 'default', name })
    try {
      await use({
        client,
        runtime,
        clock,
        config,
        get,
        main: async name => (await get(name)).status?.containerStatuses?.[0],
        eventually: (what, condition) =>
          until(what, async () => {
            if (await condition()) return true
            await clock.advance(1000)
            return false
          }),
      })
    } finally {
      stop.abort()
      await running
      client.close()
    }
  })
}

const podOf = (name: string, container: Partial<Container> = {}, spec: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  metadata: { name, namespace: 'default' },
  spec: {
    nodeName: 'node-1',
    automountServiceAccountToken: false,
    containers: [{ name: 'main', image: 'app', imagePullPolicy: 'IfNotPresent', ...container }],
    ...spec,
  },
})

const condition = (pod: Pod, type: string) => pod.status?.conditions?.find(one => one.type === type)?.status

t.test('the node is ready only when runtime and network are', async t => {
  await withKubelet(t, async ({ client, runtime, eventually }) => {
    runtime.setCondition({ isRuntimeReady: true, isNetworkReady: false })
    const ready = async () =>
      (await client.get(nodes, { name: 'node-1' }).catch(() => undefined))?.status?.conditions?.find(({ type }) => type === 'Ready')
    await eventually('not ready', async () => (await ready())?.status === 'False')
    t.match((await ready())?.message, /cni plugin not initialized/)
    runtime.setCondition({ isRuntimeReady: true, isNetworkReady: true })
    await eventually('ready', async () => (await ready())?.status === 'True')
    t.match((await client.get(nodes, { name: 'node-1' })).metadata?.labels, { 'topology.kubernetes.io/zone': 'a' })

    const renewed = async () => (await client.get(leases, { namespace: 'kube-node-lease', name: 'node-1' })).spec?.renewTime
    const first = await renewed()
    await eventually('the lease is renewed', async () => (await renewed()) !== first)
  })
})

t.test('a Pod runs and ends as its object says', async t => {
  await withKubelet(t, async ({ client, runtime, get, main, eventually }) => {
    await client.create(pods, podOf('web'))
    await eventually('ready', async () => condition(await get('web'), 'Ready') === 'True')
    t.same(runtime.calls, ['run sandbox 0', 'create main 0', 'start main 0'])
    t.match(await get('web'), { status: { phase: 'Running', podIP: '10.244.1.2', hostIP: '172.30.0.11', qosClass: 'BestEffort' } })
    t.match(await main('web'), { restartCount: 0, started: true, state: { running: {} } })

    await client.delete(pods, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 7 })
    await eventually('gone', async () => (await client.list(pods)).items.length === 0)
    t.same(runtime.calls.slice(3), ['stop main 0 7', 'stop sandbox', 'remove sandbox'], 'the object goes when all else is gone')
  })
})

t.test('a Pod that somebody else called not ready is said to be ready again', async t => {
  await withKubelet(t, async ({ client, get, eventually }) => {
    const { metadata } = await client.create(pods, podOf('web'))
    await eventually('ready', async () => condition(await get('web'), 'Ready') === 'True')
    const at = { namespace: metadata?.namespace, name: 'web' }
    const status = { conditions: [{ type: 'Ready', status: 'False' }] }
    const silenced = await client.patch(pods, at, { status }, { type: 'strategic', subresource: 'status' })
    t.equal(condition(silenced, 'Ready'), 'False')
    await eventually('ready again', async () => condition(await get('web'), 'Ready') === 'True')
  })
})

t.test('restarts wait longer each time', async t => {
  await withKubelet(t, async ({ client, runtime, clock, main, eventually }) => {
    await client.create(pods, podOf('web'))
    await eventually('running', async () => (await main('web'))?.ready === true)
    runtime.exit('main', 1)
    await eventually('the first restart is at once', async () => (await main('web'))?.restartCount === 1)

    for (const [restarts, seconds] of [
      [2, 10],
      [3, 20],
    ] as const) {
      const endedAt = clock.now()
      runtime.exit('main', 1)
      await eventually('back-off', async () => (await main('web'))?.state?.waiting?.reason === 'CrashLoopBackOff')
      t.match((await main('web'))?.state?.waiting?.message, new RegExp(`back-off ${seconds}s restarting failed container=main`))
      await eventually('restarted', async () => (await main('web'))?.restartCount === restarts)
      const waitedMs = clock.now() - endedAt
      t.ok(waitedMs >= seconds * 1000, `waited ${waitedMs} ms for ${seconds} s`)
    }
    t.match(
      runtime.calls.filter(call => call.startsWith('remove')),
      ['remove main 0', 'remove main 1'],
      'the last two are kept',
    )
  })
})

t.test('probes decide readiness and life', async t => {
  await withKubelet(t, async ({ client, runtime, get, main, eventually }) => {
    const healthy = { ready: false, live: true }
    runtime.onExec((_, [what]) => ({ exitCode: healthy[what as keyof typeof healthy] ? 0 : 1, output: 'no' }))
    await client.create(
      pods,
      podOf('web', {
        readinessProbe: { exec: { command: ['ready'] }, periodSeconds: 1, failureThreshold: 2 },
        livenessProbe: { exec: { command: ['live'] }, periodSeconds: 1, failureThreshold: 3, terminationGracePeriodSeconds: 4 },
      }),
    )
    await eventually('running', async () => (await main('web'))?.started === true)
    t.equal(condition(await get('web'), 'Ready'), 'False')
    healthy.ready = true
    await eventually('ready', async () => condition(await get('web'), 'Ready') === 'True')
    healthy.ready = false
    await eventually('unready', async () => condition(await get('web'), 'Ready') === 'False')
    t.equal((await main('web'))?.restartCount, 0, 'an unready container is left alone')
    healthy.live = false
    await eventually('restarted', async () => ((await main('web'))?.restartCount ?? 0) > 0)
    t.ok(runtime.calls.includes('stop main 0 4'), 'with the grace of the probe')
  })
})

t.test('a Pod whose containers may not run again has ended', async t => {
  await withKubelet(t, async ({ client, runtime, get, main, eventually }) => {
    await client.create(pods, podOf('good', {}, { restartPolicy: 'OnFailure' }))
    await eventually('running', async () => (await main('good'))?.ready === true)
    runtime.exit('main', 0)
    await eventually('succeeded', async () => (await get('good')).status?.phase === 'Succeeded')
    t.ok(runtime.calls.includes('stop sandbox'), 'its network is given back')
    t.equal((await get('good')).status?.podIP, '10.244.1.2', 'its address stays to be read')

    await client.create(pods, podOf('bad', {}, { restartPolicy: 'Never' }))
    await eventually('running', async () => (await main('bad'))?.ready === true)
    runtime.exit('main', 2)
    await eventually('failed', async () => (await get('bad')).status?.phase === 'Failed')
  })
})

t.test('a sandbox that died is replaced, with a new address and one more restart', async t => {
  await withKubelet(t, async ({ client, runtime, get, main, eventually }) => {
    await client.create(pods, podOf('web'))
    await eventually('ready', async () => (await main('web'))?.ready === true)
    const before = (await get('web')).status?.podIP
    runtime.breakSandbox('web')
    await eventually('ready again', async () => (await main('web'))?.restartCount === 1 && (await main('web'))?.ready === true)
    t.not((await get('web')).status?.podIP, before)
    t.equal((await get('web')).status?.podIPs?.length, 1)
  })
})

t.test('what a container refers to is waited for', async t => {
  await withKubelet(t, async ({ client, runtime, main, eventually }) => {
    const env = [{ name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } }]
    await client.create(pods, podOf('web', { env }))
    await eventually('waiting', async () => (await main('web'))?.state?.waiting?.reason === 'CreateContainerConfigError')
    t.equal((await main('web'))?.state?.waiting?.message, 'configmap "settings" not found')
    await client.create(configmaps, { metadata: { name: 'settings', namespace: 'default' }, data: { colour: 'red' } })
    await eventually('ready', async () => (await main('web'))?.ready === true)
    t.match(
      runtime.specOf('main')?.env.find(({ name }) => name === 'COLOUR'),
      { value: 'red' },
    )
    t.match(
      runtime.specOf('main')?.env.find(({ name }) => name === 'KUBERNETES_SERVICE_HOST'),
      { value: '10.96.0.1' },
    )
  })
})

t.test('without a registry only images that are there run', async t => {
  await withKubelet(t, async ({ client, runtime, main, eventually }) => {
    await client.create(pods, podOf('always', { imagePullPolicy: 'Always' }))
    await client.create(pods, podOf('missing', { image: 'other' }))
    for (const name of ['always', 'missing']) {
      await eventually('backing off', async () => (await main(name))?.state?.waiting?.reason === 'ImagePullBackOff')
    }
    runtime.addImage('other')
    await eventually('ready', async () => (await main('missing'))?.ready === true)
    t.equal((await main('always'))?.ready, false)
  })
})

t.test('a preStop hook comes before the signal', async t => {
  await withKubelet(t, async ({ client, runtime, config, get, main, eventually }) => {
    const hooks: string[] = []
    runtime.onExec((name, argv) => {
      hooks.push(`${name} ${argv.join(' ')}`)
      return { exitCode: 0, output: '' }
    })
    await client.create(pods, podOf('web', { lifecycle: { preStop: { exec: { command: ['bye'] } } } }))
    await eventually('ready', async () => (await main('web'))?.ready === true)
    const hosts = await readFile(`${config.rootDir}/pods/${(await get('web')).metadata?.uid}/etc-hosts`, 'utf8')
    t.match(hosts, /^10\.244\.1\.2\tweb$/m)
    await client.delete(pods, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 20 })
    await eventually('gone', async () => (await client.list(pods)).items.length === 0)
    t.same(hooks, ['main bye'])
    t.ok(runtime.calls.includes('stop main 0 20'))
  })
})

t.test('a Pod past its deadline has failed', async t => {
  await withKubelet(t, async ({ client, get, main, eventually }) => {
    await client.create(pods, podOf('slow', {}, { activeDeadlineSeconds: 30 }))
    await eventually('ready', async () => (await main('slow'))?.ready === true)
    await eventually('failed', async () => (await get('slow')).status?.phase === 'Failed')
    t.match(await get('slow'), { status: { reason: 'DeadlineExceeded' } })
  })
})

t.test('a shorter grace period reaches a Pod that is ending already', async t => {
  await withKubelet(t, async ({ client, runtime, main, eventually }) => {
    let hasBegun = false
    runtime.onExec(() => {
      hasBegun = true
      return new Promise(() => {})
    })
    await client.create(pods, podOf('web', { lifecycle: { preStop: { exec: { command: ['never', 'ends'] } } } }))
    await eventually('ready', async () => (await main('web'))?.ready === true)
    await client.delete(pods, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 1000 })
    await eventually('the hook runs', () => hasBegun)
    await client.delete(pods, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 1 })
    await eventually('gone', async () => (await client.list(pods)).items.length === 0)
    t.ok(runtime.calls.includes('stop main 0 2'), 'at once, with the least that a hook leaves')
  })
})
