import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { nodes as nodeResource, pods as podResource } from '../../src/api/generated/resources.js'
import type { Deployment, Node, Pod } from '../../src/api/generated/types.js'
import { timeText } from '../../src/api/time-text.js'
import { isPodwireError } from '../../src/base/errors/podwire-error.js'
import type { ApiObject, Client } from '../../src/client/client.js'
import { createClient } from '../../src/client/http-client.js'
import { createInformer } from '../../src/client/http-informer.js'
import type { Informer } from '../../src/client/informer.js'
import { loadKubeconfig } from '../../src/client/kubeconfig.js'
import { type Selection, waitFor } from '../../src/client/wait-for.js'
import { startControllers } from '../../src/control-plane/controllers/start-controllers.js'
import { runScheduler } from '../../src/control-plane/scheduler/scheduler.js'
import { type TestApiServer, withApiServer } from './api-server.js'

/** A real API server with all controllers and the scheduler, and kubelets that only say what real ones would. */
export interface TestControlPlane {
  readonly api: TestApiServer
  readonly client: Client
  readonly signal: AbortSignal
  /** Waits for objects on the server. */
  until<T extends ApiObject>(selection: Selection<T>, what: string, isMet: (objects: readonly T[]) => boolean): Promise<readonly T[]>
  readonly warnings: readonly unknown[]
}

interface Options {
  readonly nodes?: readonly string[]
  /** Whether a Pod that runs becomes ready; may change its answer. */
  readonly becomesReady?: (pod: Pod) => boolean
  /** Whether the kubelet ends a Pod that is being deleted. */
  readonly ends?: (pod: Pod) => boolean
}

export async function withControlPlane(t: Test, options: Options, use: (cluster: TestControlPlane) => Promise<void>): Promise<void> {
  await withApiServer(
    t,
    async api => {
      const stop = new AbortController()
      const clients = ['admin', 'system:kube-controller-manager', 'system:kube-scheduler', 'kubelets'].map(async name =>
        createClient(
          loadKubeconfig(name === 'admin' ? api.kubeconfig : await api.kubeconfigFor(name, name === 'kubelets' ? ['system:masters'] : [])),
        ),
      )
      const [client, forControllers, forScheduler, forKubelets] = (await Promise.all(clients)) as [Client, Client, Client, Client]
      const caFile = join(api.kubeconfig, '..', 'ca.crt')
      writeFileSync(caFile, api.pki.ca)
      const caKeyFile = join(api.kubeconfig, '..', 'ca.key')
      writeFileSync(caKeyFile, api.pki.caKey)
      const warnings: unknown[] = []
      const log = { warn: (...words: unknown[]) => void warnings.push(words) }
      const config = {
        podCidrs: [{ cidr: '10.244.0.0/16', nodeMask: 24 }],
        nodePodCidrs: { 'node-1': ['10.244.1.0/24'], 'node-2': ['10.244.2.0/24'] },
        tls: { caFile, caKeyFile, certFile: '', keyFile: '' },
      }
      const running = [
        startControllers({ client: forControllers, config, signal: stop.signal, log }),
        runScheduler({ client: forScheduler, onError: error => void warnings.push(error) }, stop.signal),
        runKubelets(forKubelets, options, stop.signal),
      ]
      try {
        for (const name of options.nodes ?? []) await client.create(nodeResource, readyNode(name), stop.signal)
        await use({
          api,
          client,
          signal: stop.signal,
          warnings,
          until: (selection, what, isMet) => {
            const describe = (objects: readonly unknown[]) => JSON.stringify(objects)
            return waitFor(client, selection, isMet, { what, timeoutMs: 15_000, describe }, stop.signal)
          },
        })
      } finally {
        stop.abort()
        await Promise.all(running)
        for (const each of [client, forControllers, forScheduler, forKubelets]) each.close()
      }
    },
    asComponents,
  )
}

/** What the API server is told of the parts that run beside it. */
const asComponents = { components: { scheduler: () => undefined, 'controller-manager': () => undefined } }

export const readyNode = (
  name: string,
  { labels = {}, spec = {} }: { labels?: Record<string, string>; spec?: Node['spec'] } = {},
): Node => ({
  metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
  ...(spec && { spec }),
  status: {
    capacity: { cpu: '2', memory: '4Gi', pods: '110' },
    allocatable: { cpu: '2', memory: '4Gi', pods: '110' },
    conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: timeText(Date.now()) }],
    addresses: [{ type: 'InternalIP', address: '172.30.0.11' }],
    nodeInfo: {
      architecture: 'amd64',
      bootID: '',
      containerRuntimeVersion: 'containerd://1.6.20',
      kernelVersion: '6.1.0',
      kubeProxyVersion: '',
      kubeletVersion: 'v1.36.2',
      machineID: '',
      operatingSystem: 'linux',
      osImage: 'Debian GNU/Linux 12',
      systemUUID: '',
    },
  },
})

export const deploymentOf = (name: string, spec: Partial<Deployment['spec']> = {}, image = 'podwire/toolbox'): Deployment => ({
  metadata: { name, namespace: 'default' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'main', image, ports: [{ name: 'http', containerPort: 8080 }] }], terminationGracePeriodSeconds: 1 },
    },
    ...spec,
  },
})

/** Reports Pods as running with an address, and ended ones as gone. */
async function runKubelets(client: Client, { becomesReady = () => true, ends = () => true }: Options, signal: AbortSignal): Promise<void> {
  const pods: Informer<Pod> = createInformer(client, podResource)
  let address = 10
  const addresses = new Map<string, string>()
  const inWork = new Set<Promise<void>>()
  const look = async (key: string): Promise<void> => {
    const pod = pods.get(key)
    if (!pod?.spec?.nodeName) return
    const { namespace, name = '', uid = '', deletionTimestamp } = pod.metadata ?? {}
    try {
      if (deletionTimestamp !== undefined) {
        if (ends(pod)) await client.delete(podResource, { namespace, name }, { uid, gracePeriodSeconds: 0 }, signal)
        return
      }
      const status = becomesReady(pod) ? 'True' : 'False'
      if (pod.status?.phase === 'Running' && pod.status.conditions?.some(other => other.type === 'Ready' && other.status === status)) return
      if (!addresses.has(uid)) addresses.set(uid, `10.244.1.${address++}`)
      const podIP = addresses.get(uid)!
      const ready = { type: 'Ready', status, lastTransitionTime: timeText(Date.now()) }
      const containerStatuses = pod.spec.containers.map(({ name, image = '' }) => ({
        name,
        image,
        imageID: `sha256:${name}`,
        ready: status === 'True',
        started: true,
        restartCount: 0,
        state: { running: { startedAt: timeText(Date.now()) } },
      }))
      const startTime = pod.status?.startTime ?? timeText(Date.now())
      const patch = { status: { phase: 'Running', startTime, podIP, podIPs: [{ ip: podIP }], conditions: [ready], containerStatuses } }
      await client.patch(podResource, { namespace, name }, patch, { type: 'strategic', subresource: 'status' }, signal)
    } catch (error) {
      if (!signal.aborted && !isPodwireError(error, 'NOT_FOUND') && !isPodwireError(error, 'CONFLICT')) throw error
    }
  }
  const start = (key: string) => {
    const task: Promise<void> = look(key).finally(() => inWork.delete(task))
    inWork.add(task)
  }
  pods.onChange(start)
  await pods.run(signal)
  await Promise.allSettled(inWork)
}
