import { isDeepStrictEqual } from 'node:util'

import { endpointslices, nodes as nodeResource, services as serviceResource } from '../../api/generated/resources.js'
import type { EndpointSlice, Node, Service } from '../../api/generated/types.js'
import type { AgentConfig } from '../../base/config/agent-config.js'
import { parseCidr, parseIp } from '../../base/net/address.js'
import type { Clock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import { createInformer } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import type { NodeStack } from '../../cni/datapath.js'
import { startForwardServer } from '../../cni/forward-server.js'
import type { CniFiles } from '../../cni/install.js'
import { createCniPlugin } from '../../cni/plugin.js'
import { podInterfaces } from '../../cni/pod-interface.js'
import type { Bird } from '../../kernel/bird.js'
import type { Backend } from '../../reconcile/backend.js'
import { createRunner } from '../../reconcile/runner.js'
import { buildServiceState } from '../../service-model/build-service-state.js'
import { defaultMasqueradeBit, nodeFacts, type ProxySettings } from '../../service-model/proxy-settings.js'
import type { ServiceState } from '../../service-model/service-state.js'
import type { Kubelet } from '../kubelet/kubelet.js'
import type { KubeletLog } from '../kubelet/kubelet-log.js'
import type { NodeSettings } from './node-network.js'
import { type PodNetworkConfig, podNetwork } from './pod-network.js'

/** The parts of the configuration that are the agent's own; the rest is for the parts it is given. */
export type AgentSettings = Pick<AgentConfig, 'nodeAddress' | 'serviceCidr' | 'proxy'> & PodNetworkConfig

/** What the agent is made of, besides its configuration. */
export interface AgentParts {
  readonly client: Client
  readonly stack: NodeStack
  /** How Services are put into the kernel. */
  readonly proxy: Backend<ServiceState | undefined, unknown, unknown>
  /** Makes the kubelet, which reads the same Services. */
  readonly createKubelet: (services: Informer<Service>) => Kubelet
  /** Routes to nodes on other segments; without it there are none. */
  readonly bird?: Bird
  /** The programs that runtimes call. */
  readonly programs: Pick<CniFiles, 'forwarder' | 'plugin' | 'node'>
  readonly clock: Clock
  readonly log: KubeletLog
}

/** Rules: at most so often, so that many changed endpoints are one transaction. */
const proxyIntervals = { minIntervalMs: 100, retryIntervalMs: 1_000, maxIntervalMs: 30_000, observeIntervalMs: 60_000 }

/** An agent that runs. */
export interface Agent {
  /** Resolves when everything has stopped after the signal aborted. Pods, devices and rules stay: the next agent takes them over. */
  readonly stopped: Promise<void>
}

/** Starts everything one node needs. Nothing here waits for the API server: each part does its work as soon as it knows enough. */
export async function startAgent(config: AgentSettings, parts: AgentParts, signal: AbortSignal): Promise<Agent> {
  const { client, stack, clock, log } = parts
  const ownName = config.nodeName
  const warn = (what: string) => (error: unknown) => {
    if (!signal.aborted) log.warn({ error: String(error) }, what)
  }

  // What is known of the cluster.
  const onError = warn('a watch was started over')
  const nodes = createInformer<Node>(client, nodeResource, { clock, onError })
  const services = createInformer<Service>(client, serviceResource, { clock, onError })
  const slices = createInformer<EndpointSlice>(client, endpointslices, { clock, onError })

  // The Pod network.
  let ready: NodeSettings | undefined
  const network = podNetwork(config, {
    client,
    nodes,
    stack,
    bird: parts.bird,
    programs: parts.programs,
    wantedKind: () => undefined,
    clock,
    onError: warn('the Pod network could not be brought up to date'),
    onReady(settings) {
      if (!isDeepStrictEqual(ready, settings)) log.info({ ...settings }, 'the Pod network is ready')
      ready = settings
    },
  })

  // CNI calls. DEL is served from the beginning.
  const calls = await startForwardServer(
    config.cni.socket,
    createCniPlugin({
      datapath: podInterfaces(stack),
      run: stack.run,
      notReady: () => (ready !== undefined ? undefined : `node ${ownName} has no Pod network yet`),
    }),
  )

  // Services.
  let state: ServiceState | undefined
  const proxy = createRunner({
    ...proxyIntervals,
    clock,
    backend: parts.proxy,
    desired() {
      if (!services.isSynced || !slices.isSynced) return undefined
      const node = nodeFacts(proxySettings(config, nodes.get(ownName)), config.proxy.mode, 4)
      if (node === undefined) return undefined
      state = buildServiceState({ services: services.list(), endpointSlices: slices.list(), node }, state)
      return state
    },
    onError: warn('Services could not be brought up to date'),
  })
  for (const informer of [services, slices]) {
    informer.onChange(proxy.trigger)
    void informer.synced.then(proxy.trigger)
  }

  const stopped = Promise.all([
    nodes.run(signal),
    services.run(signal),
    slices.run(signal),
    network.run(signal),
    proxy.run(signal),
    parts.createKubelet(services).run(signal),
  ]).then(() => calls.close())
  return { stopped }
}

/** What holds for Services on this node, whatever puts them into the kernel. */
const proxySettings = (config: AgentSettings, node: Node | undefined): ProxySettings => ({
  nodeName: config.nodeName,
  nodeAddresses: [parseIp(config.nodeAddress)],
  zone: node?.metadata?.labels?.['topology.kubernetes.io/zone'],
  serviceRanges: [parseCidr(config.serviceCidr)],
  detectLocal: { by: 'ClusterCIDR', cidrs: [parseCidr(config.podCidr)] },
  nodePortAddresses: 'default',
  localhostNodePorts: false,
  masqueradeAll: config.proxy.masqueradeAll,
  masqueradeBit: defaultMasqueradeBit,
  isConntrackLiberal: false,
})
