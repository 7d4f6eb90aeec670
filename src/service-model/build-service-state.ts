import { isDeepStrictEqual } from 'node:util'

import type { EndpointSlice, Service } from '../api/generated/types.js'
import { buildServicePorts } from './build-service-ports.js'
import type { NodeFacts, ServiceOrigin, ServicePort, ServiceState } from './service-state.js'

/** Everything the state is made from. The objects may come from any API server; what is not valid in them is left out. */
export interface ServiceStateInput {
  readonly services: Iterable<Service>
  readonly endpointSlices: Iterable<EndpointSlice>
  readonly node: NodeFacts
}

/**
 * Decides what must be true of Services on this node. Total: objects it cannot use make no difference.
 *
 * Objects are compared with those of `previous` by identity (informers keep one object per version), so that a change costs what changed.
 */
export function buildServiceState(input: ServiceStateInput, previous?: ServiceState): ServiceState {
  const node = previous !== undefined && isDeepStrictEqual(previous.node, input.node) ? previous.node : input.node
  const before = previous?.node === node ? previous : undefined
  const slicesOf = groupSlices(input.endpointSlices)
  const origins = new Map<string, ServiceOrigin>()
  for (const service of input.services) {
    const name = serviceName(service)
    if (!isProxied(service)) continue
    const slices = slicesOf.get(name) ?? []
    const known = before?.origins.get(name)
    const isSame = known !== undefined && known.service === service && sameItems(known.slices, slices)
    origins.set(name, isSame ? known : { service, slices, ports: keepUnchanged(buildServicePorts(service, slices, node), before) })
  }
  const ports = new Map<string, ServicePort>()
  for (const origin of origins.values()) for (const port of origin.ports) ports.set(port.key, port)
  return { node, ports, origins }
}

const serviceName = ({ metadata }: Service): string => `${metadata?.namespace}/${metadata?.name}`

function groupSlices(slices: Iterable<EndpointSlice>): ReadonlyMap<string, readonly EndpointSlice[]> {
  const groups = new Map<string, EndpointSlice[]>()
  for (const slice of slices) {
    const service = slice.metadata?.labels?.['kubernetes.io/service-name']
    if (service === undefined || !isLabelledForUs(slice)) continue
    const name = `${slice.metadata?.namespace}/${service}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [slice])
    else group.push(slice)
  }
  // An informer may list in any order; one order here makes equal sets of slices equal lists.
  for (const group of groups.values()) group.sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1))
  return groups
}

/** ExternalName and headless Services have no data plane: their names resolve to what should be reached. */
function isProxied(service: Service): boolean {
  const { type, clusterIP } = service.spec ?? {}
  return type !== 'ExternalName' && clusterIP !== undefined && clusterIP !== '' && clusterIP !== 'None' && isLabelledForUs(service)
}

/** Objects with these labels belong to another proxy, or to none. */
const isLabelledForUs = ({ metadata }: Service | EndpointSlice): boolean =>
  metadata?.labels?.['service.kubernetes.io/service-proxy-name'] === undefined &&
  metadata?.labels?.['service.kubernetes.io/headless'] === undefined

const sameItems = <T>(a: readonly T[], b: readonly T[]): boolean => a.length === b.length && a.every((item, i) => item === b[i])

const keepUnchanged = (ports: readonly ServicePort[], before: ServiceState | undefined): readonly ServicePort[] =>
  ports.map(port => {
    const known = before?.ports.get(port.key)
    return known !== undefined && isDeepStrictEqual(known, port) ? known : port
  })
