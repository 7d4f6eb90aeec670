import { endpointslices, namespaces, services } from '../../api/generated/resources.js'
import type { ResourceType } from '../../api/resource-type.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { ObjectWriter, WritableObject } from './object-writer.js'

/** Namespaces that every cluster has. */
const firstNamespaces = ['default', 'kube-node-lease', 'kube-public', 'kube-system']

export interface BootstrapOptions {
  /** Where nodes reach the API server. */
  readonly advertise: { readonly address: string; readonly port: number }
  readonly serviceCidr: string
}

/** Ensures what clients take for granted: the first namespaces, and the Service `default/kubernetes` with this server as its endpoint. */
export async function ensureFirstObjects(
  writer: ObjectWriter,
  find: (resource: { readonly resource: string }) => ResourceType,
  { advertise, serviceCidr }: BootstrapOptions,
): Promise<void> {
  const create = async (resource: { readonly resource: string }, object: WritableObject): Promise<void> => {
    try {
      await writer.create(find(resource), object, { dryRun: false, manager: 'kube-apiserver' })
    } catch (error) {
      if (!isPodwireError(error, 'ALREADY_EXISTS')) throw error
    }
  }
  await Promise.all(firstNamespaces.map(name => create(namespaces, { metadata: { name } })))

  const metadata = { name: 'kubernetes', namespace: 'default' }
  const labels = { component: 'apiserver', provider: 'kubernetes' }
  const clusterIP = firstAddress(serviceCidr)
  const ports = [{ name: 'https', protocol: 'TCP', port: 443, targetPort: advertise.port }]
  const spec = { type: 'ClusterIP', clusterIP, sessionAffinity: 'None', ports }
  await create(services, { metadata: { ...metadata, labels }, spec } as WritableObject)

  const slice = {
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [advertise.address], conditions: { ready: true } }],
    ports: [{ name: 'https', protocol: 'TCP', port: advertise.port }],
  }
  await create(endpointslices, structuredClone(slice))
  // The address may have changed since the last start.
  const { endpoints, ports: slicePorts } = slice
  await writer.update({
    resource: find(endpointslices),
    at: metadata,
    dryRun: false,
    manager: 'kube-apiserver',
    change: current => ({ ...structuredClone(current), endpoints, ports: slicePorts }) as unknown as WritableObject,
  })
}

/** The first address of a range: upstream's choice for the API server's own Service. */
function firstAddress(cidr: string): string {
  const [network = ''] = cidr.split('/')
  const parts = network.split('.').map(Number)
  return [...parts.slice(0, 3), parts[3]! + 1].join('.')
}
