import type { Endpoint, EndpointSlice, Service, ServicePort, ServiceSpec } from '../../src/api/generated/types.js'
import { parseCidr, parseIp } from '../../src/base/net/address.js'
import type { NodeFacts } from '../../src/service-model/service-state.js'

/** A node of the default lab. */
export const testNode: NodeFacts = {
  name: 'node-1',
  family: 4,
  address: parseIp('172.30.0.11'),
  zone: 'zone-a',
  serviceRanges: [parseCidr('10.96.0.0/16')],
  nodePortAddresses: 'all',
  localhostNodePorts: true,
  localDetector: { by: 'source', cidr: parseCidr('10.244.0.0/16') },
  masqueradeAll: false,
  masqueradeMark: 0x4000,
  dropInvalid: true,
}

export interface TestService extends Omit<ServiceSpec, 'ports'> {
  /** `namespace/name`. */
  readonly name: string
  readonly ports?: readonly ServicePort[]
  readonly labels?: Readonly<Record<string, string>>
  readonly ingress?: readonly { readonly ip: string; readonly ipMode?: string }[]
}

/** A Service with one TCP port `http` 80, unless told otherwise. */
export function testService({ name, labels, ingress, ...spec }: TestService): Service {
  const [namespace = '', short = ''] = name.split('/')
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name: short, ...(labels ? { labels } : {}) },
    spec: { type: 'ClusterIP', ports: [{ name: 'http', protocol: 'TCP', port: 80 }], ...spec },
    ...(ingress ? { status: { loadBalancer: { ingress } } } : {}),
  }
}

export interface TestEndpoint extends Omit<Endpoint, 'addresses' | 'hints'> {
  readonly ip: string
  readonly hints?: { readonly zones?: readonly string[]; readonly nodes?: readonly string[] }
}

/** A slice of the Service `namespace/name` with one port, unless told otherwise. */
export function testSlice(
  service: string,
  endpoints: readonly TestEndpoint[],
  ports: EndpointSlice['ports'] = [{ name: 'http', protocol: 'TCP', port: 8080 }],
  suffix = 'a',
): EndpointSlice {
  const [namespace = '', short = ''] = service.split('/')
  return {
    addressType: endpoints.some(({ ip }) => ip.includes(':')) ? 'IPv6' : 'IPv4',
    metadata: { namespace, name: `${short}-${suffix}`, labels: { 'kubernetes.io/service-name': short } },
    ports: ports ?? [],
    endpoints: endpoints.map(({ ip, hints, ...rest }) => ({
      addresses: [ip],
      ...(hints
        ? { hints: { forZones: (hints.zones ?? []).map(name => ({ name })), forNodes: (hints.nodes ?? []).map(name => ({ name })) } }
        : {}),
      ...rest,
    })),
  }
}
