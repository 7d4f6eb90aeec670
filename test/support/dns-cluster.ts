import type { EndpointSlice, Service } from '../../src/api/generated/types.js'
import { kubernetesPlugin } from '../../src/dns/kubernetes-plugin.js'
import { chain, type Resolve, refuse } from '../../src/dns/resolve.js'
import { indexZone } from '../../src/dns/zone-index.js'
import { type ChangeableSource, objectSource } from './object-source.js'

const meta = (name: string, namespace = 'shop') => ({ name, namespace })

export const service = (name: string, spec: Service['spec']): Service => ({ metadata: meta(name), ...(spec && { spec }) })

export function slice(
  name: string,
  of: string,
  rest: Pick<EndpointSlice, 'endpoints' | 'ports'> & { addressType?: string },
): EndpointSlice {
  return { addressType: 'IPv4', ...rest, metadata: { ...meta(name), labels: { 'kubernetes.io/service-name': of } } }
}

const web = { name: 'http', port: 80, protocol: 'TCP' }

export const clusterServices: readonly Service[] = [
  service('web', {
    clusterIP: '10.96.0.20',
    clusterIPs: ['10.96.0.20', 'fd00::20'],
    ports: [web, { name: 'dns', port: 53, protocol: 'UDP' }],
  }),
  service('db', { clusterIP: 'None', ports: [{ name: 'pg', port: 5432 }] }),
  service('idle', { clusterIP: 'None', ports: [web] }),
  service('alias', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local.' }),
  service('away', { type: 'ExternalName', externalName: 'example.com' }),
  service('loop', { type: 'ExternalName', externalName: 'loop.shop.svc.cluster.local' }),
]

export const clusterSlices: readonly EndpointSlice[] = [
  slice('db-1', 'db', {
    ports: [
      { name: 'pg', port: 5432, protocol: 'TCP' },
      { name: 'metrics', port: 9187, protocol: 'TCP' },
    ],
    endpoints: [
      { addresses: ['10.244.1.5'], hostname: 'db-0', conditions: { ready: true } },
      { addresses: ['10.244.2.6'], conditions: {} },
      { addresses: ['10.244.2.7'], hostname: 'db-2', conditions: { ready: false } },
    ],
  }),
  slice('idle-1', 'idle', { ports: [web], endpoints: [{ addresses: ['10.244.1.9'], conditions: { ready: false } }] }),
]

export interface DnsCluster {
  readonly resolve: Resolve
  readonly services: ChangeableSource<Service>
  readonly slices: ChangeableSource<EndpointSlice>
}

/** A resolver over a small cluster whose objects can be changed. */
export function dnsCluster(isReady: () => boolean = () => true): DnsCluster {
  const services = objectSource(clusterServices)
  const slices = objectSource(clusterSlices)
  const plugin = kubernetesPlugin({ zone: 'cluster.local', index: indexZone(services, slices), isReady, ttlSeconds: 5 })
  return { resolve: chain([plugin], refuse), services, slices }
}
