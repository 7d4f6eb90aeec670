import type { ApiResource } from './api-resource.js'
import {
  configmaps,
  deployments,
  endpoints,
  endpointslices,
  events,
  leases,
  namespaces,
  nodes,
  pods,
  replicasets,
  secrets,
  serviceaccounts,
  services,
} from './generated/resources.js'
import type { KubeObject, ResourceType, Strategy, TableColumn } from './resource-type.js'
import { apiFacts } from './schema.js'
import { leaseStrategy, namespaceStrategy, nodeStrategy } from './strategies/cluster.js'
import { configMapStrategy, secretStrategy, serviceAccountStrategy } from './strategies/config.js'
import { endpointSliceStrategy, endpointsStrategy } from './strategies/endpoints.js'
import { eventStrategy } from './strategies/events.js'
import { podStrategy } from './strategies/pods.js'
import { serviceStrategy } from './strategies/services.js'
import { deploymentStrategy, replicaSetStrategy } from './strategies/workloads.js'
import {
  configMapColumns,
  eventColumns,
  leaseColumns,
  namespaceColumns,
  nodeColumns,
  secretColumns,
  serviceAccountColumns,
} from './table-columns/cluster.js'
import { podColumns } from './table-columns/pods.js'
import { endpointSliceColumns, endpointsColumns, serviceColumns } from './table-columns/services.js'
import { deploymentColumns, replicaSetColumns } from './table-columns/workloads.js'

interface RowParts<T extends KubeObject> {
  readonly strategy: Strategy<T>
  readonly columns: readonly TableColumn<T>[]
  /** Names of the subresources that the API server has a handler for. */
  readonly subresources?: readonly string[]
}

/** A row for a built-in resource: what the facts say, with its behaviour. */
function row<T extends KubeObject>(resource: ApiResource<T>, { strategy, columns, subresources = [] }: RowParts<T>): ResourceType {
  const facts = apiFacts.resources.find(
    other => other.group === resource.group && other.version === resource.version && other.resource === resource.resource,
  )
  const row: ResourceType<T> = {
    ...resource,
    singular: facts?.singular ?? resource.kind.toLowerCase(),
    shortNames: facts?.shortNames ?? [],
    categories: facts?.categories ?? [],
    verbs: facts?.verbs ?? [],
    subresources: facts?.subresources?.filter(({ name }) => subresources.includes(name)) ?? [],
    strategy,
    columns,
  }
  return row as unknown as ResourceType
}

/** Every resource the API server serves, in the order of discovery. */
export const resourceTable: readonly ResourceType[] = [
  row(configmaps, { strategy: configMapStrategy, columns: configMapColumns }),
  row(endpoints, { strategy: endpointsStrategy, columns: endpointsColumns }),
  row(events, { strategy: eventStrategy, columns: eventColumns }),
  row(namespaces, { strategy: namespaceStrategy, columns: namespaceColumns, subresources: ['finalize', 'status'] }),
  row(nodes, { strategy: nodeStrategy, columns: nodeColumns, subresources: ['status'] }),
  row(pods, { strategy: podStrategy, columns: podColumns, subresources: ['attach', 'binding', 'exec', 'log', 'portforward', 'status'] }),
  row(secrets, { strategy: secretStrategy, columns: secretColumns }),
  row(serviceaccounts, { strategy: serviceAccountStrategy, columns: serviceAccountColumns, subresources: ['token'] }),
  row(services, { strategy: serviceStrategy, columns: serviceColumns, subresources: ['status'] }),
  row(deployments, { strategy: deploymentStrategy, columns: deploymentColumns, subresources: ['scale', 'status'] }),
  row(replicasets, { strategy: replicaSetStrategy, columns: replicaSetColumns, subresources: ['scale', 'status'] }),
  row(leases, { strategy: leaseStrategy, columns: leaseColumns }),
  row(endpointslices, { strategy: endpointSliceStrategy, columns: endpointSliceColumns }),
]
