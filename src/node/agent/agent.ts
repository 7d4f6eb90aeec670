import { isDeepStrictEqual } from 'node:util'

import { configmaps, endpointslices, nodes as nodeResource, services as serviceResource } from '../../api/generated/resources.js'
import type { ConfigMap, EndpointSlice, Node, Service } from '../../api/generated/types.js'
import { type AgentConfig, datapathKinds, policyModes } from '../../base/config/agent-config.js'
import {
  agentWishes,
  netpolAnnotation,
  netpolRefusalAnnotation,
  proxyAnnotation,
  proxyRefusalAnnotation,
} from '../../base/config/agent-wishes.js'
import { type Cidr, parseCidr, parseInterfaceAddress, parseIp } from '../../base/net/address.js'
import type { Clock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import { createInformer } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { openAttachmentStore } from '../../cni/attachment-store.js'
import type { NodeStack } from '../../cni/datapath.js'
import { startForwardServer } from '../../cni/forward-server.js'
import type { CniFiles } from '../../cni/install.js'
import { createCniPlugin } from '../../cni/plugin.js'
import { podInterfaces } from '../../cni/pod-interface.js'
import type { Bird } from '../../kernel/bird.js'
import type { PolicyMember } from '../../netpol/policy-switch.js'
import { defaultMasqueradeBit, type ProxyMode, type ProxySettings, proxyModes } from '../../service-model/proxy-settings.js'
import type { Kubelet } from '../kubelet/kubelet.js'
import type { KubeletLog } from '../kubelet/kubelet-log.js'
import { createPolicyEnforcer } from '../netpol/policy-enforcer.js'
import type { ProxyMember } from '../proxy/proxy-switch.js'
import { createServiceProxy } from '../proxy/service-proxy.js'
import { networkReporter } from './network-report.js'
import type { NodeSettings } from './node-network.js'
import { type PodNetworkConfig, podNetwork } from './pod-network.js'

/** The parts of the configuration that are the agent's own; the rest is for the parts it is given. */
export type AgentSettings = Pick<AgentConfig, 'serviceCidr' | 'serviceCidr6' | 'proxy' | 'netpol'> & PodNetworkConfig

/** What the agent is made of, besides its configuration. */
export interface AgentParts {
  readonly client: Client
  readonly stack: NodeStack
  /** The ways in which Services can be put into the kernel. */
  readonly proxies: readonly ProxyMember[]
  /** The ways in which network policies can be put into the kernel. */
  readonly policies: readonly PolicyMember[]
  /** Makes the kubelet, which reads the same Services. */
  readonly createKubelet: (services: Informer<Service>) => Kubelet
  /** Routes to nodes on other segments; without it there are none. */
  readonly bird?: Bird
  /** The programs that runtimes call. */
  readonly programs: Pick<CniFiles, 'forwarder' | 'plugin' | 'node'>
  readonly clock: Clock
  readonly log: KubeletLog
}

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
  let areWishesKnown = false
  const wishes = createInformer<ConfigMap>(client, configmaps, {
    namespace: agentWishes.namespace,
    fieldSelector: `metadata.name=${agentWishes.name}`,
    clock,
    // A cluster that does not let us read them has none for us.
    onError(error) {
      areWishesKnown = true
      onError(error)
    },
  })
  const slices = createInformer<EndpointSlice>(client, endpointslices, { clock, onError })

  // The Pod network.
  let ready: NodeSettings | undefined
  const network = podNetwork(config, {
    client,
    nodes,
    stack,
    bird: parts.bird,
    programs: parts.programs,
    wantedKind: () => datapathKinds.find(kind => kind === wishes.get(keyOfWishes)?.data?.cni),
    clock,
    onError: warn('the Pod network could not be brought up to date'),
    onReady(settings) {
      if (!isDeepStrictEqual(ready, settings)) log.info({ ...settings }, 'the Pod network is ready')
      ready = settings
    },
  })

  const report = networkReporter({
    stack,
    bird: parts.bird,
    annotations: () => (nodes.get(ownName) === undefined ? undefined : (nodes.get(ownName)?.metadata?.annotations ?? {})),
    async publish(annotations) {
      await annotate(annotations)
    },
    clock,
    onError: warn('the state of the Pod network could not be published'),
  })

  // Network policies: CNI lets a Pod start when its rules are there.
  const attachments = openAttachmentStore(config.cni.stateDir)
  const policies = createPolicyEnforcer({
    client,
    nodes,
    nodeName: ownName,
    members: parts.policies,
    mode: () =>
      areWishesKnown || wishes.isSynced
        ? (policyModes.find(mode => mode === wishes.get(keyOfWishes)?.data?.netpol) ?? config.netpol)
        : undefined,
    readAttached: () =>
      attachments.list().map(({ podNamespace, podName, addresses }) => ({
        pod: `${podNamespace}/${podName}`,
        addresses: addresses.map(address => parseInterfaceAddress(address).ip),
      })),
    clock,
    onSynced: mode => publish({ [netpolAnnotation]: mode, [netpolRefusalAnnotation]: null }),
    onRefused: (mode, why) => publish({ [netpolRefusalAnnotation]: `${mode}: ${why.message}` }),
    onError: warn('network policies could not be brought up to date'),
  })

  // CNI calls. DEL is served from the beginning.
  const calls = await startForwardServer(
    config.cni.socket,
    createCniPlugin({
      datapath: podInterfaces(stack),
      run: stack.run,
      admit: pod => policies.admit(pod, signal),
      notReady: () => (ready !== undefined ? undefined : `node ${ownName} has no Pod network yet`),
    }),
  )

  // Services, by the mode the cluster asks for; else by the one of the configuration.
  async function annotate(annotations: Readonly<Record<string, string | null>>): Promise<void> {
    await client.patch(nodeResource, { name: ownName }, { metadata: { annotations } }, { type: 'merge' }, signal)
  }
  const publish = (annotations: Readonly<Record<string, string | null>>): void => {
    const own = nodes.get(ownName)?.metadata?.annotations ?? {}
    const isNew = Object.entries(annotations).some(([key, value]) => (own[key] ?? null) !== value)
    if (isNew) annotate(annotations).catch(warn('the modes of the node could not be published'))
  }
  const proxy = createServiceProxy({
    services,
    slices,
    members: parts.proxies,
    mode: () => (areWishesKnown || wishes.isSynced ? (wantedMode(wishes.get(keyOfWishes)) ?? config.proxy.mode) : undefined),
    settings: () => proxySettings(config, nodes.get(ownName)),
    clock,
    onSynced: ({ mode = null }) => publish({ [proxyAnnotation]: mode, [proxyRefusalAnnotation]: null }),
    onRefused: (mode, why) => publish({ [proxyRefusalAnnotation]: `${mode}: ${why.message}` }),
    onError: warn('Services could not be brought up to date'),
  })
  for (const part of [proxy, network, policies]) wishes.onChange(part.trigger)
  for (const part of [proxy, policies]) void wishes.synced.then(part.trigger)
  nodes.onChange(key => {
    if (key === ownName) proxy.trigger()
  })

  const stopped = Promise.all([
    nodes.run(signal),
    wishes.run(signal),
    services.run(signal),
    slices.run(signal),
    network.run(signal),
    report.run(signal),
    proxy.run(signal),
    policies.run(signal),
    parts.createKubelet(services).run(signal),
  ]).then(() => calls.close())
  return { stopped }
}

const keyOfWishes = `${agentWishes.namespace}/${agentWishes.name}`

/** The mode that the cluster's administrator asks for; undefined for none and for one we do not know. */
const wantedMode = (wish: ConfigMap | undefined): ProxyMode | undefined => proxyModes.find(mode => mode === wish?.data?.proxy)

/** What holds for Services on this node, whatever puts them into the kernel. */
const proxySettings = (config: AgentSettings, node: Node | undefined): ProxySettings => ({
  nodeName: config.nodeName,
  nodeAddresses: config.underlay.map(({ address }) => parseIp(address)),
  zone: node?.metadata?.labels?.['topology.kubernetes.io/zone'],
  serviceRanges: ranges(config.serviceCidr, config.serviceCidr6),
  detectLocal: { by: 'ClusterCIDR', cidrs: ranges(config.podCidr, config.podCidr6) },
  nodePortAddresses: 'default',
  localhostNodePorts: true,
  masqueradeAll: config.proxy.masqueradeAll,
  masqueradeBit: defaultMasqueradeBit,
  isConntrackLiberal: false,
})

const ranges = (...texts: readonly (string | undefined)[]): readonly Cidr[] =>
  texts.flatMap(text => (text === undefined ? [] : [parseCidr(text)]))
