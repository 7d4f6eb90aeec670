import type { EndpointSlice, Endpoints, Service } from '../generated/types.js'
import type { TableColumn } from '../resource-type.js'
import { ageColumn, column, labelText, nameColumn, orNone, wide } from './column.js'

export const serviceColumns: readonly TableColumn<Service>[] = [
  nameColumn,
  column('Type', 'string', 'How the Service is reached', ({ spec }) => spec?.type ?? ''),
  column('Cluster-IP', 'string', 'The virtual address', ({ spec }) => orNone(spec?.clusterIP)),
  column('External-IP', 'string', 'Addresses outside the cluster', externalIp),
  column('Port(s)', 'string', 'Ports, with their node ports', ({ spec }) =>
    orNone(spec?.ports?.map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`).join(',')),
  ),
  ageColumn,
  wide('Selector', 'string', 'Which Pods are endpoints', ({ spec }) => labelText(spec?.selector)),
]

function externalIp({ spec, status }: Service): string {
  if (spec?.type === 'ExternalName') return spec.externalName ?? ''
  const given = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? '')
  const all = [...(spec?.type === 'LoadBalancer' ? given : []), ...(spec?.externalIPs ?? [])].join(',')
  return all || (spec?.type === 'LoadBalancer' ? '<pending>' : '<none>')
}

const mostShown = 3

/** The first few, then how many more. */
const some = (texts: readonly string[]): string =>
  texts.length > mostShown ? `${texts.slice(0, mostShown).join(',')} + ${texts.length - mostShown} more...` : texts.join(',')

export const endpointSliceColumns: readonly TableColumn<EndpointSlice>[] = [
  nameColumn,
  column('AddressType', 'string', 'Kind of the addresses', ({ addressType }) => addressType),
  column('Ports', 'string', 'Ports of every endpoint', ({ ports }) =>
    ports?.length ? some(ports.map(({ port }) => (port === undefined ? '*' : String(port)))) : '<unset>',
  ),
  column('Endpoints', 'string', 'Addresses of the endpoints', ({ endpoints }) =>
    endpoints?.length ? some(endpoints.flatMap(({ addresses }) => addresses)) : '<unset>',
  ),
  ageColumn,
]

export const endpointsColumns: readonly TableColumn<Endpoints>[] = [
  nameColumn,
  column('Endpoints', 'string', 'Addresses with ports', ({ subsets = [] }) => {
    const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
      ports.length === 0 ? addresses.map(({ ip }) => ip) : ports.flatMap(({ port }) => addresses.map(({ ip }) => `${ip}:${port}`)),
    )
    return all.length === 0 ? '<none>' : some(all)
  }),
  ageColumn,
]
