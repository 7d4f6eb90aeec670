import type { EndpointSlice, Service, ServicePort as ServicePortSpec } from '../api/generated/types.js'
import { cidrParts, type Ip, type IpFamily, ipFamily, isIp, parseInterfaceAddress, parseIp } from '../base/net/address.js'
import { byAddressAndPort, type Candidate, chooseEndpoints } from './choose-endpoints.js'
import { type Endpoint, type Fate, isExternallyAccessible, type NodeFacts, type Protocol, type ServicePort } from './service-state.js'

const protocols: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' }
const defaultAffinitySeconds = 10800

/** The ports of one Service as this node must serve them; none when it has no usable ClusterIP of the node's family. */
export function buildServicePorts(service: Service, slices: readonly EndpointSlice[], node: NodeFacts): readonly ServicePort[] {
  const { spec = {}, metadata } = service
  const [clusterIP] = addresses([spec.clusterIP, ...(spec.clusterIPs ?? [])], node.family)
  const name = `${metadata?.namespace}/${metadata?.name}`
  if (clusterIP === undefined || !name.split('/').every(isName)) return []
  const reach = {
    externalIPs: addresses(spec.externalIPs ?? [], node.family),
    loadBalancerIPs: loadBalancerIPs(service, node.family),
    loadBalancerSourceRanges: ranges(spec.loadBalancerSourceRanges ?? [], node.family),
    ...(spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local' && spec.healthCheckNodePort
      ? { healthCheckNodePort: spec.healthCheckNodePort }
      : {}),
    internalTrafficPolicy: policy(spec.internalTrafficPolicy),
    externalTrafficPolicy: policy(spec.externalTrafficPolicy),
    ...(spec.sessionAffinity === 'ClientIP'
      ? { affinitySeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds }
      : {}),
  }
  return (spec.ports ?? []).flatMap(port => {
    const protocol = protocols[port.protocol ?? 'TCP']
    if (protocol === undefined || (port.name && !isName(port.name))) return []
    const key = port.name ? `${name}:${port.name}` : name
    const entry = { key, protocol, clusterIP, port: port.port, ...(port.nodePort ? { nodePort: port.nodePort } : {}), ...reach }
    return [{ ...entry, ...decide(entry, candidatesFor(port, slices, node), node) }]
  })
}

type Decision = Pick<
  ServicePort,
  | 'clusterEndpoints'
  | 'localEndpoints'
  | 'reachableEndpoints'
  | 'servingEndpoints'
  | 'localReadyAddresses'
  | 'hasEndpoints'
  | 'internal'
  | 'external'
>

/** Which endpoints count, and what becomes of traffic that may use none. */
function decide(port: Omit<ServicePort, keyof Decision>, candidates: readonly Candidate[], node: NodeFacts): Decision {
  const isInternalLocal = port.internalTrafficPolicy === 'Local'
  const isExternalLocal = port.externalTrafficPolicy === 'Local'
  const isExternal = isExternallyAccessible(port)
  const { cluster, local, reachable, hasEndpoints } = chooseEndpoints(candidates, {
    nodeName: node.name,
    zone: node.zone,
    // Also Local traffic needs the cluster list: what Pods and the node itself send to external addresses takes a short cut to it.
    usesCluster: !isInternalLocal || isExternal,
    usesLocal: isInternalLocal || (isExternalLocal && isExternal),
  })
  const fate = (isLocal: boolean): Fate => (!hasEndpoints ? 'reject' : isLocal && local.length === 0 ? 'drop' : 'forward')
  return {
    clusterEndpoints: cluster.map(toEndpoint),
    localEndpoints: local.map(toEndpoint),
    reachableEndpoints: reachable.map(toEndpoint),
    servingEndpoints: candidates.filter(({ isServing }) => isServing).map(toEndpoint),
    localReadyAddresses:
      port.healthCheckNodePort === undefined
        ? []
        : [...new Set(candidates.filter(({ isLocal, isReady }) => isLocal && isReady).map(({ address }) => address))],
    hasEndpoints,
    internal: fate(isInternalLocal),
    external: fate(isExternalLocal && isExternal),
  }
}

const toEndpoint = ({ address, port, isLocal }: Candidate): Endpoint => ({ address, port, isLocal })

/** The endpoints of one Service port over all its slices, each address and port once. */
function candidatesFor(port: ServicePortSpec, slices: readonly EndpointSlice[], node: NodeFacts): readonly Candidate[] {
  const found = new Map<string, Candidate>()
  for (const slice of slices) {
    if (slice.addressType !== (node.family === 4 ? 'IPv4' : 'IPv6')) continue
    for (const target of slice.ports ?? []) {
      if (!target.port || (target.name ?? '') !== (port.name ?? '') || (target.protocol ?? 'TCP') !== (port.protocol ?? 'TCP')) continue
      for (const { addresses: [text] = [], conditions = {}, hints = {}, nodeName } of slice.endpoints ?? []) {
        const [address] = addresses([text], node.family)
        if (address === undefined) continue
        const id = `${address} ${target.port}`
        const isLocal = nodeName === node.name
        // While an endpoint moves between slices both name it; one of them may not yet know the node.
        if (found.has(id) && !isLocal) continue
        found.set(id, {
          address,
          port: target.port,
          isLocal,
          isReady: conditions.ready ?? true,
          isServing: conditions.serving ?? true,
          isTerminating: conditions.terminating ?? false,
          nodeHints: hints.forNodes?.map(({ name }) => name) ?? [],
          zoneHints: hints.forZones?.map(({ name }) => name) ?? [],
        })
      }
    }
  }
  return [...found.values()].sort(byAddressAndPort)
}

/** A load balancer of mode Proxy wants to see the packets itself, so the node leaves its address alone. */
const loadBalancerIPs = ({ spec, status }: Service, family: IpFamily): readonly Ip[] =>
  spec?.type !== 'LoadBalancer'
    ? []
    : addresses(
        (status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => ipMode !== 'Proxy').map(({ ip }) => ip),
        family,
      )

/** The valid addresses of the family, each once. Old objects may hold octets with leading zeros, which Kubernetes reads as decimal. */
function addresses(texts: readonly (string | undefined)[], family: IpFamily): readonly Ip[] {
  const valid = texts.flatMap(text => {
    const plain = text?.includes(':') ? text : text?.replace(/\b0+(?=\d)/g, '')
    return plain !== undefined && isIp(plain) ? [parseIp(plain)] : []
  })
  return [...new Set(valid)].filter(ip => ipFamily(ip) === family)
}

/** The valid ranges of the family; blanks around them and host bits in them are accepted, as in Kubernetes. */
const ranges = (texts: readonly string[], family: IpFamily) =>
  texts.flatMap(text => {
    const [address, prefix, ...rest] = text.trim().split('/')
    const [ip] = addresses([address], family)
    const isValid =
      ip !== undefined && rest.length === 0 && /^(0|[1-9]\d{0,2})$/.test(prefix ?? '') && Number(prefix) <= (family === 4 ? 32 : 128)
    if (!isValid) return []
    const { cidr } = parseInterfaceAddress(`${ip}/${prefix}`)
    return cidrParts(cidr).family === family ? [cidr] : []
  })

const policy = (value: string | undefined): 'Cluster' | 'Local' => (value === 'Local' ? 'Local' : 'Cluster')

/** Names enter the text of rules; an API server that is not ours might let more through than DNS labels. */
const isName = (text: string): boolean => /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(text)
