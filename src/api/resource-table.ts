import type { ApiResource } from './api-resource.js'
import { definitionStrategy } from './custom/definition-strategy.js'
import * as known from './generated/resources.js'
import type { KubeObject, ResourceType, StoredForm, Strategy, TableColumn } from './resource-type.js'
import { apiFacts, type ResourceFacts, typeSchema } from './schema.js'
import * as admission from './strategies/admission.js'
import * as autoscaling from './strategies/autoscaling.js'
import * as batch from './strategies/batch.js'
import { leaseStrategy, namespaceStrategy, nodeStrategy } from './strategies/cluster.js'
import { configMapStrategy, secretStrategy, serviceAccountStrategy } from './strategies/config.js'
import { endpointSliceStrategy, endpointsStrategy } from './strategies/endpoints.js'
import * as events from './strategies/events.js'
import * as networking from './strategies/networking.js'
import { plainStrategy } from './strategies/plain-strategy.js'
import { podStrategy } from './strategies/pods.js'
import * as quotas from './strategies/quotas.js'
import * as rbac from './strategies/rbac.js'
import { serviceStrategy } from './strategies/services.js'
import * as stateful from './strategies/stateful-workloads.js'
import * as storage from './strategies/storage.js'
import { deploymentStrategy, replicaSetStrategy } from './strategies/workloads.js'
import * as autoscalingColumns from './table-columns/autoscaling.js'
import * as clusterColumns from './table-columns/cluster.js'
import { ageColumn, nameColumn } from './table-columns/column.js'
import * as networkingColumns from './table-columns/networking.js'
import { podColumns } from './table-columns/pods.js'
import * as policyColumns from './table-columns/policy.js'
import * as serviceColumns from './table-columns/services.js'
import * as storageColumns from './table-columns/storage.js'
import * as workloadColumns from './table-columns/workloads.js'

/** What the facts do not say of a resource. */
interface Behaviour<T extends KubeObject = KubeObject> {
  readonly resource: ApiResource<T>
  readonly strategy: Strategy<T>
  readonly columns: readonly TableColumn<T>[]
  readonly storedAs?: StoredForm<T>
}

const behaviour = <T extends KubeObject>(
  resource: ApiResource<T>,
  strategy: Strategy<T>,
  columns: readonly TableColumn<T>[],
  storedAs?: StoredForm<T>,
): Behaviour => ({ resource, strategy, columns, ...(storedAs && { storedAs }) }) as unknown as Behaviour

const behaviours: readonly Behaviour[] = [
  behaviour(known.componentstatuses, plainStrategy, policyColumns.componentStatusColumns),
  behaviour(known.configmaps, configMapStrategy, clusterColumns.configMapColumns),
  behaviour(known.endpoints, endpointsStrategy, serviceColumns.endpointsColumns),
  behaviour(known.events, events.eventStrategy, clusterColumns.eventColumns),
  behaviour(known.limitranges, quotas.limitRangeStrategy, [
    nameColumn,
    { ...ageColumn, name: 'Created At', type: 'date', cell: createdAt },
  ]),
  behaviour(known.namespaces, namespaceStrategy, clusterColumns.namespaceColumns),
  behaviour(known.nodes, nodeStrategy, clusterColumns.nodeColumns),
  behaviour(known.persistentvolumeclaims, storage.persistentVolumeClaimStrategy, storageColumns.persistentVolumeClaimColumns),
  behaviour(known.persistentvolumes, storage.persistentVolumeStrategy, storageColumns.persistentVolumeColumns),
  behaviour(known.pods, podStrategy, podColumns),
  behaviour(known.podtemplates, stateful.podTemplateStrategy, workloadColumns.podTemplateColumns),
  behaviour(known.replicationcontrollers, stateful.replicationControllerStrategy, workloadColumns.replicationControllerColumns),
  behaviour(known.resourcequotas, quotas.resourceQuotaStrategy, policyColumns.resourceQuotaColumns),
  behaviour(known.secrets, secretStrategy, clusterColumns.secretColumns),
  behaviour(known.serviceaccounts, serviceAccountStrategy, clusterColumns.serviceAccountColumns),
  behaviour(known.services, serviceStrategy, serviceColumns.serviceColumns),

  behaviour(known.controllerrevisions, stateful.controllerRevisionStrategy, workloadColumns.controllerRevisionColumns),
  behaviour(known.daemonsets, stateful.daemonSetStrategy, workloadColumns.daemonSetColumns),
  behaviour(known.deployments, deploymentStrategy, workloadColumns.deploymentColumns),
  behaviour(known.replicasets, replicaSetStrategy, workloadColumns.replicaSetColumns),
  behaviour(known.statefulsets, stateful.statefulSetStrategy, workloadColumns.statefulSetColumns),
  behaviour(known.cronjobs, batch.cronJobStrategy, workloadColumns.cronJobColumns),
  behaviour(known.jobs, batch.jobStrategy, workloadColumns.jobColumns),
  behaviour(known.autoscalingV2HorizontalPodAutoscalers, autoscaling.autoscalerStrategy, autoscalingColumns.autoscalerColumns),
  behaviour(
    known.autoscalingV1HorizontalPodAutoscalers,
    autoscaling.autoscalerV1Strategy,
    autoscalingColumns.autoscalerV1Columns,
    autoscaling.autoscalerV1Form,
  ),
  behaviour(known.poddisruptionbudgets, autoscaling.podDisruptionBudgetStrategy, policyColumns.podDisruptionBudgetColumns),

  behaviour(known.endpointslices, endpointSliceStrategy, serviceColumns.endpointSliceColumns),
  behaviour(known.eventsV1Events, events.newEventStrategy, clusterColumns.newEventColumns, events.newEventForm),
  behaviour(known.ingressclasses, networking.ingressClassStrategy, networkingColumns.ingressClassColumns),
  behaviour(known.ingresses, networking.ingressStrategy, networkingColumns.ingressColumns),
  behaviour(known.ipaddresses, networking.ipAddressStrategy, networkingColumns.ipAddressColumns),
  behaviour(known.networkpolicies, networking.networkPolicyStrategy, networkingColumns.networkPolicyColumns),
  behaviour(known.servicecidrs, networking.serviceCidrStrategy, networkingColumns.serviceCidrColumns),

  behaviour(known.clusterrolebindings, rbac.clusterRoleBindingStrategy, policyColumns.roleBindingColumns),
  behaviour(known.clusterroles, rbac.clusterRoleStrategy, policyColumns.roleColumns),
  behaviour(known.rolebindings, rbac.roleBindingStrategy, policyColumns.roleBindingColumns),
  behaviour(known.roles, rbac.roleStrategy, policyColumns.roleColumns),
  behaviour(known.certificatesigningrequests, admission.certificateSigningRequestStrategy, policyColumns.certificateSigningRequestColumns),
  behaviour(known.leases, leaseStrategy, clusterColumns.leaseColumns),
  behaviour(known.priorityclasses, quotas.priorityClassStrategy, policyColumns.priorityClassColumns),
  behaviour(known.runtimeclasses, quotas.runtimeClassStrategy, policyColumns.runtimeClassColumns),

  behaviour(known.csidrivers, storage.csiDriverStrategy, storageColumns.csiDriverColumns),
  behaviour(known.csinodes, storage.csiNodeStrategy, storageColumns.csiNodeColumns),
  behaviour(known.csistoragecapacities, storage.csiStorageCapacityStrategy, storageColumns.csiStorageCapacityColumns),
  behaviour(known.storageclasses, storage.storageClassStrategy, storageColumns.storageClassColumns),
  behaviour(known.volumeattachments, storage.volumeAttachmentStrategy, storageColumns.volumeAttachmentColumns),
  behaviour(known.volumeattributesclasses, storage.volumeAttributesClassStrategy, storageColumns.volumeAttributesClassColumns),

  behaviour(known.apiservices, admission.apiServiceStrategy, policyColumns.apiServiceColumns),
  behaviour(known.customresourcedefinitions, definitionStrategy, policyColumns.customResourceDefinitionColumns),
  behaviour(known.flowschemas, admission.flowSchemaStrategy, policyColumns.flowSchemaColumns),
  behaviour(known.prioritylevelconfigurations, admission.priorityLevelStrategy, policyColumns.priorityLevelColumns),
  behaviour(known.mutatingadmissionpolicies, admission.mutatingPolicyStrategy, policyColumns.mutatingAdmissionPolicyColumns),
  behaviour(known.mutatingadmissionpolicybindings, admission.mutatingBindingStrategy, policyColumns.admissionPolicyBindingColumns),
  behaviour(known.mutatingwebhookconfigurations, admission.mutatingWebhooksStrategy, policyColumns.webhookColumns),
  behaviour(known.validatingadmissionpolicies, admission.validatingPolicyStrategy, policyColumns.validatingAdmissionPolicyColumns),
  behaviour(known.validatingadmissionpolicybindings, admission.validatingBindingStrategy, policyColumns.admissionPolicyBindingColumns),
  behaviour(known.validatingwebhookconfigurations, admission.validatingWebhooksStrategy, policyColumns.webhookColumns),
]

/** Subresources that the API server has a handler for. */
const servedSubresources = new Set([
  'approval',
  'attach',
  'binding',
  'eviction',
  'exec',
  'finalize',
  'log',
  'portforward',
  'scale',
  'status',
  'token',
])

/** What upstream says of resources that have a successor. */
const deprecations = new Map([
  ['componentstatuses', 'v1 ComponentStatus is deprecated in v1.19+'],
  ['endpoints', 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
])

const pathOf = ({ group, version, resource }: Pick<ResourceFacts, 'group' | 'version' | 'resource'>): string =>
  `${group}/${version}/${resource}`
const behaviourOf = new Map(behaviours.map(found => [pathOf(found.resource), found]))
const constants = new Map(Object.values(known).map(resource => [pathOf(resource), resource]))

/** A row: what the facts say, with its behaviour. Kinds that are only asked, never stored, have none. */
function row(facts: ResourceFacts): ResourceType {
  const { strategy = plainStrategy, columns = [nameColumn, ageColumn], storedAs } = behaviourOf.get(pathOf(facts)) ?? {}
  const typePath = constants.get(pathOf(facts))?.typePath ?? ''
  const { fields = {} } = typeSchema(typePath) ?? {}
  return {
    ...facts,
    typePath,
    shortNames: facts.shortNames ?? [],
    categories: facts.categories ?? [],
    subresources: facts.subresources?.filter(({ name }) => servedSubresources.has(name)) ?? [],
    strategy: strategy === plainStrategy ? { ...plainStrategy, hasGeneration: Boolean(fields.spec && fields.status) } : strategy,
    columns,
    warnings: [deprecations.get(facts.resource) ?? []].flat(),
    ...(storedAs && { storedAs }),
  }
}

/** Every resource the API server serves, in the order of discovery. */
export const resourceTable: readonly ResourceType[] = apiFacts.resources.map(row)

function createdAt({ metadata }: KubeObject): string {
  return metadata?.creationTimestamp ?? '<unknown>'
}
