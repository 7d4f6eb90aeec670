import { pods as podResource, services as serviceResource } from '../../api/generated/resources.js'
import type { Endpoint, EndpointPort, EndpointSlice, Node, Pod, Service } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { controllerReference } from '../../api/owners.js'
import { isPodReady, isPodTerminal } from '../../api/pod-state.js'
import { generatedName } from './expectations.js'

export const serviceNameLabel = 'kubernetes.io/service-name'
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
/** The name by which consumers know slices made from selectors. */
export const managedBy = 'endpointslice-controller.k8s.io'

/** Upstream's default; larger slices cost more with each change, more slices cost more in watches. */
const largestSlice = 100
const zoneLabel = 'topology.kubernetes.io/zone'
const headlessLabel = 'service.kubernetes.io/headless'

/** Endpoints that share their ports, and so may share slices. */
interface PortGroup {
  readonly addressType: 'IPv4' | 'IPv6'
  readonly ports: readonly EndpointPort[]
  readonly endpoints: readonly Endpoint[]
}

export interface SlicePlan {
  readonly create: readonly EndpointSlice[]
  readonly update: readonly EndpointSlice[]
  readonly remove: readonly EndpointSlice[]
}

/** What must be written so that the slices of `service` show exactly these Pods. */
export function planSlices(
  service: Service,
  pods: readonly Pod[],
  nodeOf: (name: string) => Node | undefined,
  existing: readonly EndpointSlice[],
): SlicePlan {
  const families = service.spec?.ipFamilies ?? ['IPv4']
  const groups = families.flatMap(family => groupByPorts(service, pods, nodeOf, family === 'IPv6' ? 'IPv6' : 'IPv4'))
  const plans = groups.map(group => planGroup(service, group, existing))
  const kept = new Set(plans.flatMap(({ kept }) => kept))
  return {
    create: plans.flatMap(({ create }) => create),
    update: plans.flatMap(({ update }) => update),
    remove: existing.filter(slice => !kept.has(slice)),
  }
}

function groupByPorts(
  service: Service,
  pods: readonly Pod[],
  nodeOf: (name: string) => Node | undefined,
  addressType: 'IPv4' | 'IPv6',
): readonly PortGroup[] {
  const groups = new Map<string, { ports: readonly EndpointPort[]; endpoints: Endpoint[] }>()
  for (const pod of pods) {
    const ip = pod.status?.podIPs?.map(({ ip }) => ip).find(ip => ip.includes(':') === (addressType === 'IPv6')) ?? onlyIp(pod, addressType)
    if (ip === undefined || isPodTerminal(pod)) continue
    const ports = portsOf(service, pod)
    const key = JSON.stringify(ports)
    const group = groups.get(key) ?? { ports, endpoints: [] }
    group.endpoints.push(endpointOf({ service, pod, ip, node: nodeOf(pod.spec?.nodeName ?? '') }))
    groups.set(key, group)
  }
  // A Service without endpoints keeps one empty slice, so that readers can tell it from one not looked at yet.
  if (groups.size === 0) return [{ addressType, ports: [], endpoints: [] }]
  return [...groups.values()].map(group => ({ addressType, ...group, endpoints: withHints(service, group.endpoints) }))
}

function onlyIp({ status }: Pod, addressType: 'IPv4' | 'IPv6'): string | undefined {
  const ip = status?.podIP
  return ip && ip.includes(':') === (addressType === 'IPv6') ? ip : undefined
}

/** The Service's ports as this Pod serves them; a named port that the Pod lacks is left out. */
export function portsOf({ spec = {} }: Service, pod: Pod): readonly EndpointPort[] {
  return (spec.ports ?? []).flatMap(({ name = '', protocol = 'TCP', port, targetPort = port, appProtocol }) => {
    const target = typeof targetPort === 'number' ? targetPort : namedPort(pod, targetPort, protocol)
    return target === undefined ? [] : [{ name, protocol, port: target, ...(appProtocol === undefined ? {} : { appProtocol }) }]
  })
}

function namedPort({ spec }: Pod, name: string, protocol: string): number | undefined {
  const sidecars = spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always') ?? []
  const ports = [...(spec?.containers ?? []), ...sidecars].flatMap(({ ports = [] }) => ports)
  return ports.find(port => port.name === name && (port.protocol ?? 'TCP') === protocol)?.containerPort
}

interface EndpointParts {
  readonly service: Service
  readonly pod: Pod
  readonly ip: string
  readonly node: Node | undefined
}

function endpointOf({ service, pod, ip, node }: EndpointParts): Endpoint {
  const { namespace, name, uid, deletionTimestamp } = pod.metadata ?? {}
  const serving = isPodReady(pod)
  const terminating = deletionTimestamp !== undefined
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating)
  const zone = node?.metadata?.labels?.[zoneLabel]
  const { nodeName, hostname, subdomain } = pod.spec ?? {}
  const isNamed = hostname !== undefined && hostname !== '' && subdomain === service.metadata?.name
  return {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(isNamed ? { hostname } : {}),
    targetRef: {
      kind: podResource.kind,
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined ? {} : { name }),
      ...(uid === undefined ? {} : { uid }),
    },
  }
}

/** Who should prefer each endpoint, where the Service asks for nearness and every endpoint says where it is. */
function withHints({ spec = {} }: Service, endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const wanted = spec.trafficDistribution
  if (wanted !== 'PreferClose' && wanted !== 'PreferSameZone' && wanted !== 'PreferSameNode') return endpoints
  return endpoints.map(endpoint => {
    const { zone, nodeName, conditions } = endpoint
    if (conditions?.ready === false) return endpoint
    const forZones = zone === undefined ? {} : { forZones: [{ name: zone }] }
    const forNodes = wanted !== 'PreferSameNode' || nodeName === undefined ? {} : { forNodes: [{ name: nodeName }] }
    const hints = { ...forZones, ...forNodes }
    return Object.keys(hints).length === 0 ? endpoint : { ...endpoint, hints }
  })
}

interface GroupPlan {
  readonly create: readonly EndpointSlice[]
  readonly update: readonly EndpointSlice[]
  /** Existing slices that go on, changed or not. */
  readonly kept: readonly EndpointSlice[]
}

/** Endpoints stay in the slice they are in, so that a change touches few slices; new ones fill what has room. */
function planGroup(service: Service, group: PortGroup, existing: readonly EndpointSlice[]): GroupPlan {
  const ours = existing.filter(slice => slice.addressType === group.addressType && jsonEqual(slice.ports ?? [], group.ports))
  const wanted = new Map(group.endpoints.map(endpoint => [identityOf(endpoint), endpoint]))
  const filled = ours.map(slice => {
    const endpoints = (slice.endpoints ?? []).flatMap(endpoint => {
      const identity = identityOf(endpoint)
      const kept = wanted.get(identity)
      wanted.delete(identity)
      return kept ?? []
    })
    return { slice, endpoints }
  })
  const fresh = [...wanted.values()]
  for (const { endpoints } of [...filled].sort((a, b) => b.endpoints.length - a.endpoints.length)) {
    endpoints.push(...fresh.splice(0, Math.max(0, largestSlice - endpoints.length)))
  }
  const isPlaceholder = group.endpoints.length === 0
  const staying = isPlaceholder ? filled.slice(0, 1) : filled.filter(({ endpoints }) => endpoints.length > 0)
  const create: EndpointSlice[] = []
  if (isPlaceholder && staying.length === 0) create.push(sliceOf(service, group, []))
  while (fresh.length > 0) create.push(sliceOf(service, group, fresh.splice(0, largestSlice)))

  const update = staying.flatMap(({ slice, endpoints }) => {
    const labels = labelsOf(service)
    if (jsonEqual(endpoints, slice.endpoints ?? []) && jsonEqual(labels, slice.metadata?.labels)) return []
    return [{ ...slice, metadata: { ...slice.metadata, labels }, endpoints }]
  })
  return { create, update, kept: staying.map(({ slice }) => slice) }
}

const identityOf = ({ targetRef, addresses }: Endpoint): string => `${targetRef?.uid ?? ''} ${addresses[0]}`

function sliceOf(service: Service, { addressType, ports }: PortGroup, endpoints: readonly Endpoint[]): EndpointSlice {
  const prefix = `${service.metadata?.name}-`
  return {
    metadata: {
      name: generatedName(prefix),
      generateName: prefix,
      namespace: service.metadata?.namespace ?? 'default',
      labels: labelsOf(service),
      ownerReferences: [controllerReference(serviceResource, service)],
    },
    addressType,
    ports,
    endpoints,
  }
}

function labelsOf({ metadata, spec }: Service): Record<string, string> {
  const { [headlessLabel]: _, ...labels } = metadata?.labels ?? {}
  return {
    ...labels,
    ...(spec?.clusterIP === 'None' ? { [headlessLabel]: '' } : {}),
    [serviceNameLabel]: metadata?.name ?? '',
    [managedByLabel]: managedBy,
  }
}
