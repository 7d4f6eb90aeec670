import { setMaxListeners } from 'node:events'
import { readFile } from 'node:fs/promises'

import { pods } from '../../api/generated/resources.js'
import type { Pod, Service } from '../../api/generated/types.js'
import type { Clock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import { createEventRecorder } from '../../client/event-recorder.js'
import { createInformer } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { removeCgroup } from '../../kernel/cgroup.js'
import type { Host } from '../../kernel/host.js'
import { createBackOff } from './back-off.js'
import { parseResolvConf } from './dns-settings.js'
import type { KubeletConfig } from './kubelet-config.js'
import type { KubeletLog } from './kubelet-log.js'
import { readMachineFacts } from './machine-facts.js'
import { createNodeReporter } from './node-reporter.js'
import { type NodeServing, serveNode } from './node-server.js'
import type { PodEventRecorder } from './pod-events.js'
import { keyOf } from './pod-identity.js'
import type { PodParts } from './pod-parts.js'
import type { DnsSettings, PodRuntime } from './pod-runtime.js'
import { createPodStatusWriter } from './pod-status-writer.js'
import { createPodWorkers } from './pod-workers.js'
import { createProber } from './prober.js'
import { createReferencedObjects } from './referenced-objects.js'
import { repeat } from './repeat.js'
import { createServiceAccountTokens } from './service-account-tokens.js'
import { withWrittenStatus } from './sync-pod.js'
import { podVolumes } from './volumes.js'

export interface KubeletOptions {
  readonly config: KubeletConfig
  readonly client: Client
  readonly runtime: PodRuntime
  /** All Services of the cluster, run by whoever made it: Pods get variables of them. */
  readonly services: Informer<Service>
  /** The node itself. */
  readonly host: Host
  readonly clock: Clock
  readonly log: KubeletLog
  /** How the API server reaches this node's logs and containers; undefined: it does not. */
  readonly serving?: NodeServing
}

/** Runs the Pods that the API server assigns to one node. */
export interface Kubelet {
  /** Goes on until `signal` aborts; what runs then goes on running, and the next kubelet takes it over. */
  run(signal: AbortSignal): Promise<void>
}

const relistMs = 1_000
const leaseMs = 10_000
const statusMs = 10_000
/** Until the node is ready somebody waits for it. */
const eagerStatusMs = 200
const registerRetryMs = 500
const restartBackOff = { firstMs: 10_000, longestMs: 300_000 }

export function createKubelet(options: KubeletOptions): Kubelet {
  return { run: signal => runKubelet(options, signal) }
}

async function runKubelet(options: KubeletOptions, signal: AbortSignal): Promise<void> {
  const { config, client, runtime, services, host, clock, log, serving } = options
  setMaxListeners(Number.POSITIVE_INFINITY, signal) // Every request under way listens to it.
  const machine = await readMachineFacts()
  const mine = createInformer<Pod>(client, pods, { fieldSelector: `spec.nodeName=${config.nodeName}`, clock })
  const kick = (podUid: string) => workers.kick(podUid)
  const events = createEventRecorder(client, { component: 'kubelet', host: config.nodeName, clock })
  const record: PodEventRecorder = ({ metadata }, event) =>
    events.record({ apiVersion: 'v1', kind: 'Pod', ...(metadata ? { metadata } : {}) }, event)
  const prober = createProber(
    {
      runtime,
      clock,
      onChange: kick,
      onFailure(podUid, { kind, message }) {
        const pod = mine.list().find(({ metadata }) => metadata?.uid === podUid)
        const news = `${kind.replace(/^./, letter => letter.toUpperCase())} probe failed: ${message}`
        if (pod) record(pod, { type: 'Warning', reason: 'Unhealthy', message: news })
      },
    },
    signal,
  )
  const statuses = createPodStatusWriter(
    {
      client,
      onFailure(podUid, error) {
        log.warn({ uid: podUid, error: String(error) }, 'the status of a Pod could not be published')
        clock.sleep(relistMs, signal).then(
          () => kick(podUid),
          () => {}, // Aborted: nobody publishes any more.
        )
      },
    },
    signal,
  )
  const parts: PodParts = {
    config,
    client,
    clock,
    log,
    runtime,
    machine,
    prober,
    record,
    statuses,
    volumes: podVolumes({ config, host }),
    removeCgroup,
    objects: createReferencedObjects({ client, clock, onChange: kick }, signal),
    tokens: createServiceAccountTokens({ client, clock }),
    services: () => services.list(),
    nodeDns: () => readNodeDns(config),
    crashes: createBackOff({ ...restartBackOff, clock }),
  }
  const workers = createPodWorkers(parts, mine)

  const complain = (what: string) => (error: unknown) => log.warn({ error: String(error) }, what)
  const reporter = createNodeReporter({ config, client, clock, runtime, machine, port: serving?.port })

  async function reportNode(): Promise<void> {
    let isRegistered = false
    let isReady = false
    const onError = complain('the node could not be reported')
    while (!signal.aborted && !isRegistered) {
      isRegistered = await reporter.register(signal).then(
        () => true,
        error => {
          if (!signal.aborted) onError(error)
          return false
        },
      )
      if (!isRegistered) await clock.sleep(registerRetryMs, signal).catch(() => {})
    }
    while (!signal.aborted) {
      isReady = await reporter.report(signal).catch(error => {
        if (!signal.aborted) onError(error)
        return false
      })
      await clock.sleep(isReady ? statusMs : eagerStatusMs, signal).catch(() => {})
    }
  }

  async function runPods(): Promise<void> {
    await Promise.race([Promise.all([mine.synced, services.synced]), aborted(signal)])
    if (signal.aborted) return
    mine.onChange(key => workers.podChanged(key))
    for (const pod of mine.list()) workers.podChanged(keyOf({ uid: '', namespace: '', name: '', ...pod.metadata }))
    let isFirst = true
    const relist = async () => {
      workers.relisted(await runtime.list(signal))
      if (isFirst) for (const uid of await parts.volumes.podUids()) if (!workers.knows(uid)) workers.removeLeftover(uid)
      isFirst = false
    }
    await Promise.all([
      workers.run(signal),
      repeat({ everyMs: relistMs, clock, onError: complain('the runtime could not be listed') }, relist, signal),
    ])
  }

  async function serve(): Promise<void> {
    if (!serving) return
    const pod = (namespace: string, name: string): Pod | undefined => {
      const found = mine.get(keyOf({ uid: '', namespace, name }))
      return found && withWrittenStatus(parts, found)
    }
    await serveNode({ serving, config, runtime, clock, log, pod }, signal)
  }

  await Promise.all([
    mine.run(signal),
    serve(),
    reportNode(),
    repeat({ everyMs: leaseMs, clock, onError: complain('the lease could not be renewed') }, () => reporter.renewLease(signal), signal),
    runPods(),
  ])
}

async function readNodeDns({ resolvConf }: KubeletConfig): Promise<DnsSettings> {
  return resolvConf === undefined ? { servers: [], searches: [], options: [] } : parseResolvConf(await readFile(resolvConf, 'utf8'))
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
