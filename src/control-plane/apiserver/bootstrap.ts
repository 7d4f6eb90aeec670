import type { ApiResource } from '../../api/api-resource.js'
import {
  endpointslices,
  endpoints as endpointsResource,
  namespaces,
  priorityclasses,
  servicecidrs,
  services,
} from '../../api/generated/resources.js'
import type { EndpointSlice, Endpoints } from '../../api/generated/types.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { nthAddress, parseCidr } from '../../base/net/address.js'
import { systemPriorityClasses } from './admission/priority.js'
import type { ObjectWriter, WritableObject } from './object-writer.js'

/** Namespaces that every cluster has. */
const firstNamespaces = ['default', 'kube-node-lease', 'kube-public', 'kube-system']

export interface BootstrapOptions {
  /** Where nodes reach the API server. */
  readonly advertise: { readonly address: string; readonly port: number }
  readonly serviceCidrs: readonly string[]
}

/**
 * Ensures what clients take for granted: the first namespaces, the ranges of Services, and the Service `default/kubernetes` with
 * this server as its endpoint.
 */
export async function ensureFirstObjects(
  writer: ObjectWriter,
  find: (resource: ApiResource) => ResourceType,
  { advertise, serviceCidrs }: BootstrapOptions,
): Promise<void> {
  const create = async (resource: ApiResource, object: WritableObject): Promise<void> => {
    try {
      await writer.create(find(resource), object, { dryRun: false, manager: 'kube-apiserver' })
    } catch (error) {
      if (!isPodwireError(error, 'ALREADY_EXISTS')) throw error
    }
  }
  await Promise.all(firstNamespaces.map(name => create(namespaces, { metadata: { name } })))
  await Promise.all(systemPriorityClasses.map(given => create(priorityclasses, structuredClone(given) as WritableObject)))

  await create(servicecidrs, { metadata: { name: 'kubernetes' }, spec: { cidrs: [...serviceCidrs] } } as WritableObject)

  const metadata = { name: 'kubernetes', namespace: 'default' }
  const labels = { component: 'apiserver', provider: 'kubernetes' }
  const clusterIP = nthAddress(parseCidr(serviceCidrs[0]!), 1)
  const ports = [{ name: 'https', protocol: 'TCP', port: 443, targetPort: advertise.port }]
  const spec = { type: 'ClusterIP', clusterIP, sessionAffinity: 'None', ports }
  await create(services, { metadata: { ...metadata, labels }, spec } as WritableObject)

  const address = advertise.address
  const slicePorts = [{ name: 'https', protocol: 'TCP', port: advertise.port }]
  // The address may have changed since the last start.
  const slice: EndpointSlice = {
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: address.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: slicePorts,
  }
  const old: Endpoints = {
    metadata: { ...metadata, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip: address }], ports: slicePorts }],
  }
  await ensure(endpointslices, slice)
  await ensure(endpointsResource, old)

  async function ensure(resource: ApiResource, object: KubeObject): Promise<void> {
    await create(resource, structuredClone(object) as WritableObject)
    const { metadata: _, ...fields } = object
    await writer.update({
      resource: find(resource),
      at: metadata,
      dryRun: false,
      manager: 'kube-apiserver',
      change: current => ({ ...structuredClone(current), ...structuredClone(fields) }) as WritableObject,
    })
  }
}
