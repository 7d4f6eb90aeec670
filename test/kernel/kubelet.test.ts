import { stat } from 'node:fs/promises'

import t from 'tap'

import { configmaps, events, nodes, pods } from '../../src/api/generated/resources.js'
import type { Container, Pod } from '../../src/api/generated/types.js'
import { cgroupFolders } from '../../src/kernel/cgroup.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { importImage } from '../../src/lab/images/import-image.js'
import { writeOciArchive } from '../../src/lab/images/oci-archive.js'
import { podRuntimeSuite } from '../suites/pod-runtime.js'
import { type KubeletNode, withKubeletNode } from '../support/kubelet-node.js'
import { until } from '../support/until.js'

/** Ends at once on SIGTERM, which a shell that is PID 1 does only when told. */
const idle = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1 & wait $!; done']

const pod = (name: string, container: Partial<Container> = {}, spec: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: {
    nodeName: 'node-1',
    hostNetwork: true,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 5,
    containers: [{ name: 'main', image: 'podwire/toolbox', imagePullPolicy: 'IfNotPresent', command: idle, ...container }],
    ...spec,
  },
})

const at = (name: string) => ({ namespace: 'default', name })

/** A Pod of the node as its kubelet has published it. */
function viewOf({ client }: KubeletNode) {
  const get = (name: string) => client.get(pods, at(name))
  const main = async (name: string) => (await get(name)).status?.containerStatuses?.[0]
  const isReady = async (name: string) => (await main(name))?.ready === true
  return {
    get,
    main,
    isReady,
    untilReady: (name: string) => until(`${name} is ready`, () => isReady(name)),
    untilGone: (name: string) =>
      until(`${name} is gone`, async () => !(await client.list(pods)).items.some(p => p.metadata?.name === name)),
    reasons: async (name: string) =>
      (await client.list(events, { namespace: 'default' })).items.flatMap(event =>
        event.involvedObject.name === name ? [event.reason] : [],
      ),
  }
}

t.test('Pods on a real containerd', async t => {
  await withKubeletNode(t, async kubeletNode => {
    const { client, startKubelet, runtime, config, node } = kubeletNode
    const view = viewOf(kubeletNode)
    const signal = AbortSignal.timeout(120_000)
    const mountsOnNode = async () => (await node.host.run(['cat', '/proc/self/mountinfo'])).stdout.split('\n').length
    const processesOnNode = async () =>
      (await node.host.run(['ps', '-eo', 'comm='])).stdout.split('\n').filter(line => line !== 'ps').length
    const before = { mounts: await mountsOnNode(), processes: await processesOnNode() }
    await t.test('the runtime keeps the contract', async t => {
      await podRuntimeSuite(t, { runtime, config, image: 'podwire/toolbox' })
    })
    let stop = startKubelet()

    await t.test('the node registers and becomes ready', async t => {
      const ready = async () =>
        (await client.get(nodes, { name: 'node-1' }).catch(() => undefined))?.status?.conditions?.find(({ type }) => type === 'Ready')
      await until('the node is ready', async () => (await ready())?.status === 'True')
      const { status, metadata } = await client.get(nodes, { name: 'node-1' })
      t.match(metadata?.labels, { 'kubernetes.io/hostname': 'node-1', 'kubernetes.io/os': 'linux' })
      t.match(status?.addresses, [{ type: 'InternalIP', address: node.address }, { type: 'Hostname' }])
      t.match(status?.nodeInfo?.containerRuntimeVersion, /^containerd:\/\/1\./)
      t.ok(status?.images?.some(({ names }) => names?.includes('docker.io/podwire/toolbox:latest')))
    })

    await t.test('a Pod runs with its environment, volumes and probe, and goes without a trace', async t => {
      for (const [name, data] of [
        ['settings', { colour: 'red' }],
        ['kube-root-ca.crt', { 'ca.crt': 'the CA' }],
      ] as const) {
        await client.create(configmaps, { metadata: { name, namespace: 'default' }, data })
      }
      const container: Partial<Container> = {
        env: [
          { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } },
          { name: 'WHERE', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
          { name: 'TEXT', value: 'on $(WHERE) at $(KUBERNETES_SERVICE_HOST)' },
        ],
        volumeMounts: [
          { name: 'settings', mountPath: '/settings' },
          { name: 'scratch', mountPath: '/scratch' },
        ],
        readinessProbe: { exec: { command: ['test', '-e', '/scratch/ready'] }, periodSeconds: 1 },
        resources: { limits: { memory: '64Mi', cpu: '500m' } },
      }
      const volumes = [
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'scratch', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
      ]
      await client.create(pods, pod('full', container, { volumes, automountServiceAccountToken: true }))
      await until('running', async () => (await view.get('full')).status?.phase === 'Running')
      t.notOk(await view.isReady('full'), 'not ready before its probe says so')

      const { uid = '' } = (await view.get('full')).metadata ?? {}
      const [running] = (await runtime.observe({ uid, ...at('full') }, signal)).containers
      const run = async (...argv: string[]) => (await runtime.exec(running!.id, argv, 10, signal)).output.trim()
      t.equal(await run('sh', '-c', 'echo $COLOUR; echo $TEXT'), `red\non ${node.address} at 10.96.0.1`)
      t.equal(await run('cat', '/settings/colour'), 'red')
      t.match(await run('cat', '/var/run/secrets/kubernetes.io/serviceaccount/token'), /^eyJ/)
      t.equal(await run('cat', '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt'), 'the CA')
      t.match(await run('grep', ' /scratch ', '/proc/mounts'), /^tmpfs .*size=1024k/)
      t.ok((await run('cat', '/proc/1/cgroup')).includes(`:memory:${config.cgroupParent}/pod${uid}/${running!.id}`), 'in its own cgroup')

      await client.patch(configmaps, at('settings'), { data: { colour: 'blue' } }, { type: 'merge' })
      await until('the file has changed', async () => (await run('cat', '/settings/colour')) === 'blue')

      await run('touch', '/scratch/ready')
      await view.untilReady('full')
      const status = (await view.get('full')).status
      t.match(status, { phase: 'Running', podIP: node.address, hostIP: node.address, qosClass: 'Guaranteed' })
      t.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
      await until('events', async () => (await view.reasons('full')).includes('Unhealthy'))
      t.match(await view.reasons('full'), ['Pulled', 'Created', 'Started', 'Unhealthy'])

      await client.delete(pods, at('full'))
      await view.untilGone('full')
      t.same(await runtime.list(signal), [])
      t.same(cgroupFolders(`${config.cgroupParent}/pod${uid}`), [])
      await t.rejects(stat(`${config.rootDir}/pods/${uid}`), { code: 'ENOENT' })
    })

    await t.test('a container that ends is started again, later each time; its last words are told', async t => {
      await client.create(pods, pod('crash', { command: ['sh', '-c', 'echo -n goodbye > /dev/termination-log; exit 3'] }))
      await until('back-off', async () => (await view.main('crash'))?.state?.waiting?.reason === 'CrashLoopBackOff')
      t.match(await view.main('crash'), {
        restartCount: 1,
        ready: false,
        lastState: { terminated: { exitCode: 3, reason: 'Error', message: 'goodbye' } },
      })
      t.equal((await view.get('crash')).status?.phase, 'Running')
      await client.delete(pods, at('crash'))
      await view.untilGone('crash')
    })

    await t.test('init containers run in order, then the Pod runs to its end', async t => {
      const initContainers = ['first', 'second'].map(name => ({
        name,
        image: 'podwire/toolbox',
        imagePullPolicy: 'IfNotPresent',
        command: ['sh', '-c', `echo ${name} >> /scratch/order`],
        volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
      }))
      const main = {
        command: ['sh', '-c', 'cat /scratch/order > /dev/termination-log'],
        volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
      }
      const volumes = [{ name: 'scratch', emptyDir: {} }]
      await client.create(pods, pod('job', main, { initContainers, volumes, restartPolicy: 'Never' }))
      await until('succeeded', async () => (await view.get('job')).status?.phase === 'Succeeded')
      t.equal((await view.main('job'))?.state?.terminated?.message, 'first\nsecond\n')
      await client.delete(pods, at('job'))
      await view.untilGone('job')
    })

    await t.test('a container whose liveness probe fails is restarted', async () => {
      const livenessProbe = { exec: { command: ['test', '-e', '/tmp/alive'] }, periodSeconds: 1, failureThreshold: 1 }
      const command = ['sh', '-c', `${idle[2]!.replace('while', 'touch /tmp/alive; sleep 2; rm /tmp/alive; while')}`]
      await client.create(pods, pod('sick', { command, livenessProbe }))
      await until('restarted', async () => ((await view.main('sick'))?.restartCount ?? 0) > 0)
      await until('events', async () => (await view.reasons('sick')).includes('Killing'))
      await client.delete(pods, at('sick'))
      await view.untilGone('sick')
    })

    await t.test('an image that is missing is waited for and can be loaded', async t => {
      await client.create(pods, pod('never', { image: 'example/app:v1', imagePullPolicy: 'Never' }))
      await client.create(pods, pod('app', { image: 'example/app:v1', command: ['/app'] }))
      await until('refused', async () => (await view.main('never'))?.state?.waiting?.reason === 'ErrImageNeverPull')
      await until('backing off', async () => (await view.main('app'))?.state?.waiting?.reason === 'ImagePullBackOff')

      const archive = `${t.testdir({})}/app.tar`
      const layer = { name: 'app', entries: [{ type: 'copy', path: 'app', mode: 0o755, from: 'dist/pause' }] } as const
      await writeOciArchive([{ name: 'docker.io/example/app:v1', layers: [layer], config: {} }], archive, signal)
      t.same(await importImage(node.host, archive, signal), ['docker.io/example/app:v1'])
      await view.untilReady('app')
      await Promise.all(['app', 'never'].map(name => client.delete(pods, at(name))))
      await Promise.all(['app', 'never'].map(view.untilGone))
    })

    await t.test('what is no image is refused with the reason', async t => {
      await t.rejects(importImage(node.host, 'package.json', signal), { code: 'RUNTIME_FAILED' })
      await t.rejects(importImage(node.host, 'nowhere.tar', signal), { code: 'NOT_FOUND' })
    })

    await t.test('kill -9 of containerd and of the kubelet costs no running container', async t => {
      await Promise.all(['stays', 'leaves'].map(name => client.create(pods, pod(name))))
      await Promise.all(['stays', 'leaves'].map(view.untilReady))
      const { containerID } = (await view.main('stays'))!

      await node.host.run(['pkill', '-KILL', '-x', 'containerd'])
      await stop()
      await client.delete(pods, at('leaves'), { gracePeriodSeconds: 0 })
      await kubeletNode.startContainerd()
      stop = startKubelet()

      await until('the orphan is ended', async () => (await runtime.list(signal)).length === 1)
      t.match(await view.main('stays'), { containerID, ready: true, restartCount: 0 })
      await client.delete(pods, at('stays'))
      await view.untilGone('stays')
    })

    await t.test('nothing is left on the node', async t => {
      t.same(await runtime.list(signal), [])
      await until('shims have ended', async () => (await processesOnNode()) <= before.processes)
      t.equal(await mountsOnNode(), before.mounts)
      // Beside cgroup1 hierarchies the cgroup2 is covered on the node; what is written there must not end up below it on this machine.
      const look = 'umount /sys/fs/cgroup/unified 2>/dev/null; ls -d "/sys/fs/cgroup/unified$0" 2>/dev/null; true'
      const { stdout } = await localMachine.run(['unshare', '--mount', 'sh', '-c', look, config.cgroupParent])
      t.equal(stdout, '', 'nothing is hidden below the cgroup2 of this machine')
    })
    await stop()
  })
})
