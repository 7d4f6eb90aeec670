import { endpointslices, nodes as nodeResource, servicecidrs, services as serviceResource } from '../../api/generated/resources.js'
import type { EndpointSlice, Node, Service, ServiceCIDR } from '../../api/generated/types.js'
import { type Cidr, type Ip, ipFamily, parseCidr, parseIp } from '../../base/net/address.js'
import type { Clock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import { createInformer, type InformerOptions } from '../../client/http-informer.js'
import type { DetectLocal, ProxyMode, ProxySettings } from '../../service-model/proxy-settings.js'
import type { ServiceState } from '../../service-model/service-state.js'
import { applyConntrackSettings, planConntrackSettings } from './conntrack-settings.js'
import type { KubeProxyConfiguration } from './kube-proxy-configuration.js'
import { type ProxyLog, type ProxySurroundings, startProxySurroundings } from './proxy-surroundings.js'
import type { ProxyMember } from './proxy-switch.js'
import { createServiceProxy } from './service-proxy.js'

export interface ServiceProxyParts {
  readonly client: Client
  readonly nodeName: string
  /** Every mode that may be asked for, in both families. */
  readonly members: readonly ProxyMember[]
  readonly clock: Clock
  readonly log: ProxyLog
}

/** A service proxy that runs by itself. */
export interface RunningServiceProxy {
  readonly places: ProxySurroundings['places']
  /** Resolves when everything stopped after the signal aborted; the rules stay for the next one. */
  readonly stopped: Promise<void>
}

/**
 * A service proxy for any conforming cluster: watches Services, EndpointSlices and its own Node, and keeps the kernel of this
 * network namespace in step. Waits for its Node, whose addresses say which families there are.
 * Errors: PORT_IN_USE with `bindAddressHardFail`.
 */
export async function runServiceProxy(
  configuration: KubeProxyConfiguration,
  { client, nodeName, members, clock, log }: ServiceProxyParts,
  signal: AbortSignal,
): Promise<RunningServiceProxy> {
  const mode = configuration.mode === '' ? 'iptables' : configuration.mode
  applyConntrackSettings(planConntrackSettings(configuration), ({ key, value }, error) =>
    log.warn({ key, value, error: error.message }, 'a kernel parameter stays as it is'),
  )

  const onError = (error: unknown) => {
    if (!signal.aborted) log.warn({ error: String(error) }, 'a watch was started over')
  }
  const only = { fieldSelector: `metadata.name=${nodeName}` }
  const nodes = createInformer<Node>(client, nodeResource, { clock, onError, ...only })
  const services = createInformer<Service>(client, serviceResource, { clock, onError })
  const slices = createInformer<EndpointSlice>(client, endpointslices, { clock, onError })
  const serviceRanges = await serviceRangesOf(client, { clock, onError }, signal)
  const watching = [nodes, services, slices, ...serviceRanges.informers].map(informer => informer.run(signal))

  let states: readonly ServiceState[] = []
  const { minSyncPeriod, syncPeriod } = configuration[mode]
  const surroundings = await startProxySurroundings({
    configuration,
    mode: () => mode,
    states: () => states,
    slices: () => slices.list(),
    healthLimitMs: 2 * syncPeriod,
    clock,
    log,
  })
  services.onChange(surroundings.serviceChanged)
  slices.onChange(surroundings.sliceChanged)
  nodes.onChange(() => surroundings.nodeChanged(nodes.get(nodeName)))

  const settings = (): ProxySettings | undefined => {
    const node = nodes.get(nodeName)
    return node === undefined ? undefined : settingsOf(configuration, { mode, node, serviceRanges: serviceRanges.current() })
  }
  const proxy = createServiceProxy({
    services,
    slices,
    members,
    mode: () => mode,
    settings,
    clock,
    minSyncMs: minSyncPeriod,
    syncMs: syncPeriod,
    observer: surroundings.observer,
    onSynced(wanted) {
      states = [...wanted.states.values()]
    },
    onError(error) {
      if (!signal.aborted) log.warn({ error: String(error), mode }, 'Services could not be brought up to date')
    },
  })
  for (const informer of [nodes, ...serviceRanges.informers]) {
    informer.onChange(proxy.trigger)
    void informer.synced.then(proxy.trigger)
  }
  void nodes.synced.then(() => {
    if (nodes.get(nodeName) === undefined) log.warn({ node: nodeName }, 'the cluster has no such Node; Services wait for it')
  })
  log.info({ mode, node: nodeName, ...surroundings.places }, 'service proxy')

  const stopped = Promise.all([...watching, proxy.run(signal)]).then(() => surroundings.close())
  return { places: surroundings.places, stopped }
}

/** What a configuration and a Node say together. */
function settingsOf(
  configuration: KubeProxyConfiguration,
  { mode, node, serviceRanges }: { readonly mode: ProxyMode; readonly node: Node; readonly serviceRanges: readonly Cidr[] },
): ProxySettings {
  const { nodePortAddresses } = configuration
  return {
    nodeName: node.metadata?.name ?? '',
    nodeAddresses: internalAddresses(node),
    zone: node.metadata?.labels?.['topology.kubernetes.io/zone'],
    serviceRanges,
    detectLocal: detectLocal(configuration, node),
    nodePortAddresses:
      nodePortAddresses.length === 0
        ? 'default'
        : nodePortAddresses[0] === 'primary'
          ? 'primary'
          : nodePortAddresses.map(range => parseCidr(range)),
    localhostNodePorts: configuration.iptables.localhostNodePorts,
    masqueradeAll: mode === 'ipvs' ? configuration.iptables.masqueradeAll : configuration[mode].masqueradeAll,
    masqueradeBit: mode === 'nftables' ? configuration.nftables.masqueradeBit : configuration.iptables.masqueradeBit,
    isConntrackLiberal: configuration.conntrack.tcpBeLiberal,
  }
}

/** The ranges of the cluster's ServiceCIDR objects; none where the API server does not know that kind (before 1.31). */
async function serviceRangesOf(client: Client, options: InformerOptions, signal: AbortSignal) {
  const isKnown = await client.list(servicecidrs, { limit: 1 }, signal).then(
    () => true,
    () => false,
  )
  const informers = isKnown ? [createInformer<ServiceCIDR>(client, servicecidrs, options)] : []
  const current = (): readonly Cidr[] =>
    informers.flatMap(informer => informer.list().flatMap(({ spec }) => (spec?.cidrs ?? []).map(range => parseCidr(range))))
  return { informers, current }
}

/** One address a family, the first of each counts. */
function internalAddresses(node: Node): readonly Ip[] {
  const all = (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => parseIp(address))
  return all.filter((ip, i) => all.findIndex(other => ipFamily(other) === ipFamily(ip)) === i)
}

function detectLocal({ detectLocalMode, detectLocal: names, clusterCIDR }: KubeProxyConfiguration, node: Node): DetectLocal {
  switch (detectLocalMode) {
    case '':
    case 'ClusterCIDR': {
      const cidrs = clusterCIDR === '' ? [] : clusterCIDR.split(',').map(range => parseCidr(range))
      return cidrs.length === 0 ? { by: 'none' } : { by: 'ClusterCIDR', cidrs }
    }
    case 'NodeCIDR':
      return { by: 'NodeCIDR', cidrs: podRanges(node) }
    case 'BridgeInterface':
      return { by: 'BridgeInterface', name: names.bridgeInterface }
    case 'InterfaceNamePrefix':
      return { by: 'InterfaceNamePrefix', prefix: names.interfaceNamePrefix }
  }
}

const podRanges = ({ spec }: Node): readonly Cidr[] =>
  (spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR])).map(range => parseCidr(range))
