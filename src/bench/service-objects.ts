import type { EndpointSlice, Service } from '../api/generated/types.js'
import { type Ip, nthAddress, parseCidr, parseIp } from '../base/net/address.js'
import type { NodeFacts } from '../service-model/service-state.js'

/** Which Services are asked: rules are walked in an order, so it matters where one stands. */
export const positions = ['first', 'middle', 'last'] as const
export type Position = (typeof positions)[number]

/** Where the servers are, which all Services that are asked lead to. */
export const serverAddresses = [parseIp('10.245.0.2'), parseIp('10.245.0.3')] as const

export const servicePort = 80
export const serverPort = 8080

const serviceRange = parseCidr('10.96.0.0/15')
const elsewhere = parseCidr('10.128.0.0/10')
const measuredPorts = [
  { name: 'tcp', protocol: 'TCP', port: servicePort },
  { name: 'udp', protocol: 'UDP', port: servicePort },
] as const

export interface ServiceObjects {
  readonly services: readonly Service[]
  readonly endpointSlices: readonly EndpointSlice[]
  /** ClusterIPs of the Services that are asked. */
  readonly asked: Readonly<Record<Position, Ip>>
}

/** The node on which a mode is measured: Pods are told by their addresses, and nothing is masqueraded between them. */
export const benchNode: NodeFacts = {
  name: 'node-1',
  family: 4,
  address: parseIp('172.30.0.11'),
  serviceRanges: [serviceRange],
  nodePortAddresses: 'all',
  localhostNodePorts: false,
  localDetector: { by: 'source', cidr: parseCidr('10.244.0.0/16') },
  masqueradeAll: false,
  masqueradeMark: 0x4000,
  dropInvalid: true,
}

/** `count` Services of one TCP port with two endpoints each; the first, the middle and the last lead to the servers, by UDP too. */
export function serviceObjects(count: number): ServiceObjects {
  const places: Readonly<Record<Position, number>> = { first: 0, middle: Math.floor(count / 2), last: count - 1 }
  const isAsked = (i: number): boolean => Object.values(places).includes(i)
  const numbers = Array.from({ length: count }, (_, i) => i)
  const clusterIP = (i: number): Ip => nthAddress(serviceRange, i + 10)
  return {
    services: numbers.map(i => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'bench', name: nameOf(i) },
      spec: { type: 'ClusterIP', clusterIP: clusterIP(i), ports: isAsked(i) ? [...measuredPorts] : measuredPorts.slice(0, 1) },
    })),
    endpointSlices: numbers.map(i =>
      endpointSlice(i, isAsked(i) ? serverAddresses : [nthAddress(elsewhere, 2 * i + 1), nthAddress(elsewhere, 2 * i + 2)]),
    ),
    asked: { first: clusterIP(places.first), middle: clusterIP(places.middle), last: clusterIP(places.last) },
  }
}

/** The slice of the Service number `i` with other endpoints than it has. */
export const changedSlice = (i: number): EndpointSlice => endpointSlice(i, [serverAddresses[0]])

const nameOf = (i: number): string => `service-${String(i).padStart(5, '0')}`

const endpointSlice = (i: number, addresses: readonly Ip[]): EndpointSlice => ({
  addressType: 'IPv4',
  metadata: { namespace: 'bench', name: nameOf(i), labels: { 'kubernetes.io/service-name': nameOf(i) } },
  ports: measuredPorts.map(({ name, protocol }) => ({ name, protocol, port: serverPort })),
  endpoints: addresses.map(address => ({ addresses: [address], nodeName: 'node-2', conditions: { ready: true } })),
})
