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
import type { NameCheck } from './name-format.js'
import type { KubeObject, ResourceType, Strategy, TableColumn } from './resource-type.js'
import { apiFacts, type ResourceFacts, typeSchema } from './schema.js'
import { leaseStrategy, namespaceStrategy, nodeStrategy } from './strategies/cluster.js'
import { configMapStrategy, secretStrategy, serviceAccountStrategy } from './strategies/config.js'
import { endpointSliceStrategy, endpointsStrategy } from './strategies/endpoints.js'
import { eventStrategy } from './strategies/events.js'
import { plainStrategy } from './strategies/plain-strategy.js'
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
import { ageColumn, nameColumn } from './table-columns/column.js'
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

const withBehaviour: readonly ResourceType[] = [
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

/** Not served: what needs conversion between versions or groups, or authentication of others' tokens. */
const notServed = new Set([
  'authentication.k8s.io/v1/tokenreviews',
  'autoscaling/v1/horizontalpodautoscalers',
  'events.k8s.io/v1/events',
  '/v1/bindings',
])
const plainSubresources = ['scale', 'status']
/** RBAC's names have colons: whatever can be one segment of a path. */
const checkPathSegment: NameCheck = text =>
  text === '.' || text === '..' || /[/%]/.test(text) ? [`may not be '.' or '..', or contain '/' or '%'`] : []

/** A row for a resource that is stored as it comes. */
function plainRow(resource: ResourceFacts): ResourceType {
  const { group, version, kind } = resource
  const typePath = Object.entries(apiFacts.types).find(([, { gvk }]) => gvk?.[0] === group && gvk[1] === version && gvk[2] === kind)?.[0]
  const { fields = {} } = typeSchema(typePath ?? '') ?? {}
  const checkName = group === 'rbac.authorization.k8s.io' ? checkPathSegment : plainStrategy.checkName
  return {
    ...resource,
    typePath: typePath ?? '',
    shortNames: resource.shortNames ?? [],
    categories: resource.categories ?? [],
    subresources: resource.subresources?.filter(({ name }) => plainSubresources.includes(name)) ?? [],
    strategy: { ...plainStrategy, checkName, hasGeneration: Boolean(fields.spec && fields.status) },
    columns: [nameColumn, ageColumn],
  }
}

const pathOf = ({ group, version, resource }: Pick<ResourceFacts, 'group' | 'version' | 'resource'>): string =>
  `${group}/${version}/${resource}`
const behaving = new Set(withBehaviour.map(pathOf))

/** Every resource the API server serves, in the order of discovery. */
export const resourceTable: readonly ResourceType[] = [
  ...withBehaviour,
  ...apiFacts.resources.filter(facts => !behaving.has(pathOf(facts)) && !notServed.has(pathOf(facts))).map(plainRow),
]
