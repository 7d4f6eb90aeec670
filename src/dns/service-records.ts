import type { EndpointSlice, Service } from '../api/generated/types.js'

export interface NamedPort {
  readonly name: string
  /** Lower case: `tcp`, `udp`, `sctp`. */
  readonly protocol: string
  readonly port: number
}

/** A ready endpoint of a headless Service. */
export interface EndpointRecord {
  /** The label below the Service's name: the endpoint's hostname, else its address with dashes. */
  readonly label: string
  readonly address: string
  readonly ports: readonly NamedPort[]
}

/** What the name server has to say about one Service. */
export type ServiceRecords =
  | { readonly kind: 'clusterIP'; readonly addresses: readonly string[]; readonly ports: readonly NamedPort[] }
  | { readonly kind: 'headless'; readonly endpoints: readonly EndpointRecord[] }
  | { readonly kind: 'externalName'; readonly target: string }

/**
 * The records of one Service (Kubernetes DNS-based service discovery 1.1.0, sections 2.3 to 2.5); undefined when it has none.
 * A headless Service answers with its ready endpoints; the EndpointSlice already counts unready ones as ready where the Service
 * publishes them.
 */
export function buildServiceRecords(service: Service, slices: Iterable<EndpointSlice>): ServiceRecords | undefined {
  const { type, clusterIP, clusterIPs, externalName, ports = [] } = service.spec ?? {}
  if (type === 'ExternalName') return externalName ? { kind: 'externalName', target: externalName.replace(/\.$/, '') } : undefined
  if (clusterIP === 'None') return { kind: 'headless', endpoints: [...slices].flatMap(endpointsOf) }
  const addresses = clusterIPs ?? (clusterIP ? [clusterIP] : [])
  return addresses.length > 0 ? { kind: 'clusterIP', addresses, ports: ports.flatMap(namedPort) } : undefined
}

function endpointsOf(slice: EndpointSlice): EndpointRecord[] {
  const ports = (slice.ports ?? []).flatMap(namedPort)
  return (slice.endpoints ?? []).flatMap(({ conditions, addresses, hostname }) => {
    if (conditions?.ready === false) return []
    return addresses.map(address => ({ label: (hostname || address.replace(/[.:]+/g, '-')).toLowerCase(), address, ports }))
  })
}

function namedPort({ name, protocol = 'TCP', port }: { name?: string; protocol?: string; port?: number }): NamedPort[] {
  return name && port !== undefined ? [{ name: name.toLowerCase(), protocol: protocol.toLowerCase(), port }] : []
}
