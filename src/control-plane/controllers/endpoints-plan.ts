import type { EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service } from '../../api/generated/types.js'
import { isPodReady, isPodTerminal } from '../../api/pod-state.js'
import { portsOf } from './endpoint-slice-plan.js'

/** Upstream's limit for the addresses of one Endpoints object; what is beyond it stands in EndpointSlices only. */
const mostAddresses = 1000
const managedByLabel = 'endpoints.kubernetes.io/managed-by'
export const endpointsManager = 'endpoint-controller'
const headlessLabel = 'service.kubernetes.io/headless'
const overCapacity = 'endpoints.kubernetes.io/over-capacity'

export const isOurEndpoints = ({ metadata }: Endpoints): boolean => metadata?.labels?.[managedByLabel] === endpointsManager

/** The Endpoints object of a Service with a selector: its Pods in the Service's first address family. */
export function planEndpoints(service: Service, pods: readonly Pod[]): Endpoints {
  const isIpv6 = service.spec?.ipFamilies?.[0] === 'IPv6'
  const groups = new Map<string, { ports: readonly EndpointPort[]; ready: EndpointAddress[]; notReady: EndpointAddress[] }>()
  let count = 0
  for (const pod of pods) {
    const ips = pod.status?.podIPs?.map(({ ip }) => ip) ?? [pod.status?.podIP ?? '']
    const ip = ips.find(ip => ip !== '' && ip.includes(':') === isIpv6)
    const isGoing = pod.metadata?.deletionTimestamp !== undefined
    const showsAll = service.spec?.publishNotReadyAddresses === true
    if (ip === undefined || isPodTerminal(pod) || (isGoing && !showsAll)) continue
    if (count === mostAddresses) break
    count++
    const ports = portsOf(service, pod)
    const key = JSON.stringify(ports)
    const group = groups.get(key) ?? { ports, ready: [], notReady: [] }
    groups.set(key, group)
    const side = showsAll || isPodReady(pod) ? group.ready : group.notReady
    side.push(addressOf(service, pod, ip))
  }
  const subsets = [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => subsetOf(group))
  const { [headlessLabel]: _, ...labels } = service.metadata?.labels ?? {}
  return {
    metadata: {
      name: service.metadata?.name ?? '',
      namespace: service.metadata?.namespace ?? 'default',
      labels: {
        ...labels,
        ...(service.spec?.clusterIP === 'None' && { [headlessLabel]: '' }),
        [managedByLabel]: endpointsManager,
      },
      ...(count === mostAddresses && pods.length > mostAddresses && { annotations: { [overCapacity]: 'truncated' } }),
    },
    ...(subsets.length > 0 && { subsets }),
  }
}

const byIp = (a: EndpointAddress, b: EndpointAddress): number => (a.ip < b.ip ? -1 : 1)

interface Group {
  readonly ports: readonly EndpointPort[]
  readonly ready: EndpointAddress[]
  readonly notReady: EndpointAddress[]
}

const subsetOf = ({ ports, ready, notReady }: Group): EndpointSubset => ({
  ...(ready.length > 0 && { addresses: ready.sort(byIp) }),
  ...(notReady.length > 0 && { notReadyAddresses: notReady.sort(byIp) }),
  // Without a name a port has none here, where a slice has an empty one.
  ...(ports.length > 0 && {
    ports: ports.map(({ name, port, protocol, appProtocol }) => ({
      port: port ?? 0,
      ...(name && { name }),
      ...(protocol !== undefined && { protocol }),
      ...(appProtocol !== undefined && { appProtocol }),
    })),
  }),
})

function addressOf(service: Service, { metadata, spec }: Pod, ip: string): EndpointAddress {
  const { namespace, name, uid } = metadata ?? {}
  const isNamed = Boolean(spec?.hostname) && spec?.subdomain === service.metadata?.name
  return {
    ip,
    ...(spec?.nodeName !== undefined && { nodeName: spec.nodeName }),
    ...(isNamed && { hostname: spec!.hostname! }),
    targetRef: {
      kind: 'Pod',
      ...(namespace !== undefined && { namespace }),
      ...(name !== undefined && { name }),
      ...(uid !== undefined && { uid }),
    },
  }
}
