import { endpointslices, pods, services } from '../../api/generated/resources.js'
import type { EndpointSlice, Pod, Service } from '../../api/generated/types.js'
import type { Headers } from '../../base/net/path.js'
import type { Client } from '../../client/client.js'

/** The objects of the cluster by which addresses are known. */
export interface ObjectNames {
  readonly services: readonly Service[]
  readonly slices: readonly EndpointSlice[]
  readonly pods: readonly Pod[]
}

export async function readObjectNames(client: Client, signal: AbortSignal): Promise<ObjectNames> {
  const [serviceList, sliceList, podList] = await Promise.all([
    client.list(services, {}, signal),
    client.list(endpointslices, {}, signal),
    client.list(pods, {}, signal),
  ])
  return { services: serviceList.items, slices: sliceList.items, pods: podList.items }
}

/** `namespace/name`. */
export const keyOf = ({ metadata }: Service | EndpointSlice | Pod): string => `${metadata?.namespace}/${metadata?.name}`

/** The slices of a Service. */
export const slicesOf = ({ slices }: ObjectNames, service: Service): readonly EndpointSlice[] =>
  slices.filter(
    ({ metadata }) =>
      metadata?.namespace === service.metadata?.namespace && metadata?.labels?.['kubernetes.io/service-name'] === service.metadata?.name,
  )

/** The Service behind a translation: by the address that the client knows, before it there and after it back. */
export function objectOfService(
  names: ObjectNames,
  { src, dst, sport, dport }: Headers,
  leg: 'path' | 'reply',
): readonly string[] | undefined {
  const [ip, port] = leg === 'path' ? [dst, dport] : [src, sport]
  const found = names.services.find(({ spec }) => {
    const isOwn = (spec?.clusterIPs ?? [spec?.clusterIP ?? '']).includes(ip ?? '') && (spec?.ports ?? []).some(each => each.port === port)
    return isOwn || (spec?.ports ?? []).some(({ nodePort }) => nodePort !== undefined && nodePort === port)
  })
  if (found === undefined) return undefined
  const name = (found.spec?.ports ?? []).find(each => each.port === port || each.nodePort === port)?.name
  const slices = slicesOf(names, found).map(({ metadata }) => metadata?.name)
  return [`Service ${keyOf(found)}${name === undefined ? '' : `, port ${name}`}, EndpointSlice ${slices.join(', ') || 'none'}`]
}
