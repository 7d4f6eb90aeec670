import type { Ingress, IngressClass, IPAddress, NetworkPolicy, ServiceCIDR } from '../generated/types.js'
import type { TableColumn } from '../resource-type.js'
import { ageColumn, column, ingressAddresses, nameColumn, orNone, selectorText } from './column.js'

const mostHosts = 3

function hosts({ spec }: Ingress): string {
  const rules = spec?.rules ?? []
  const named = rules.slice(0, mostHosts).flatMap(({ host }) => host || [])
  if (named.length === 0) return '*'
  return rules.length > mostHosts ? `${named.join(',')} + ${rules.length - mostHosts} more...` : named.join(',')
}

export const ingressColumns: readonly TableColumn<Ingress>[] = [
  nameColumn,
  column('Class', 'string', 'Who serves it', ({ metadata, spec }) =>
    orNone(spec?.ingressClassName ?? metadata?.annotations?.['kubernetes.io/ingress.class']),
  ),
  column('Hosts', 'string', 'Names that requests are matched by', hosts),
  column('Address', 'string', 'Where it is reached', ({ status }) => ingressAddresses(status?.loadBalancer?.ingress)),
  column('Ports', 'string', 'Ports it opens', ({ spec }) => (spec?.tls?.length ? '80, 443' : '80')),
  ageColumn,
]

export const ingressClassColumns: readonly TableColumn<IngressClass>[] = [
  nameColumn,
  column('Controller', 'string', 'Who serves the class', ({ spec }) => spec?.controller ?? ''),
  column('Parameters', 'string', 'An object with more of its settings', ({ spec }) => {
    const { apiGroup, kind, name } = spec?.parameters ?? {}
    return kind === undefined ? '<none>' : `${kind}${apiGroup ? `.${apiGroup}` : ''}/${name}`
  }),
  ageColumn,
]

export const networkPolicyColumns: readonly TableColumn<NetworkPolicy>[] = [
  nameColumn,
  column('Pod-Selector', 'string', 'Pods that it isolates', ({ spec }) => selectorText(spec?.podSelector)),
  ageColumn,
]

export const serviceCidrColumns: readonly TableColumn<ServiceCIDR>[] = [
  nameColumn,
  column('CIDRs', 'string', 'Ranges that Services get addresses of', ({ spec }) => spec?.cidrs?.join(',') ?? ''),
  ageColumn,
]

export const ipAddressColumns: readonly TableColumn<IPAddress>[] = [
  nameColumn,
  column('ParentRef', 'string', 'Who holds the address', ({ spec }) => {
    const { group, resource, namespace, name } = spec?.parentRef ?? {}
    return [resource && group ? `${resource}.${group}` : resource, namespace, name].filter(part => part).join('/')
  }),
  ageColumn,
]
