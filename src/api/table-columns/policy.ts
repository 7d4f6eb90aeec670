import type {
  APIService,
  CertificateSigningRequest,
  ClusterRoleBinding,
  ComponentStatus,
  CustomResourceDefinition,
  FlowSchema,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  PodDisruptionBudget,
  PriorityClass,
  PriorityLevelConfiguration,
  ResourceQuota,
  Role,
  RoleBinding,
  RuntimeClass,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '../generated/types.js'
import { humanDuration } from '../human-duration.js'
import type { TableColumn } from '../resource-type.js'
import { ageColumn, column, nameColumn, orNone, orUnset, wide } from './column.js'

const orNotGiven = (value: string | number | undefined): string => (value === undefined ? 'N/A' : String(value))

export const podDisruptionBudgetColumns: readonly TableColumn<PodDisruptionBudget>[] = [
  nameColumn,
  column('Min Available', 'string', 'Pods that must stay', ({ spec }) => orNotGiven(spec?.minAvailable)),
  column('Max Unavailable', 'string', 'Pods that may be missing', ({ spec }) => orNotGiven(spec?.maxUnavailable)),
  column('Allowed Disruptions', 'integer', 'Pods that may be evicted now', ({ status }) => status?.disruptionsAllowed ?? 0),
  ageColumn,
]

/** `pods: 1/4, services: 0/2` for the limits of one side. */
const used = ({ status }: ResourceQuota, isLimit: boolean): string =>
  Object.keys(status?.hard ?? {})
    .sort()
    .filter(name => name.startsWith('limits.') === isLimit)
    .map(name => `${name}: ${status?.used?.[name] ?? '0'}/${status?.hard?.[name]}`)
    .join(', ')

export const resourceQuotaColumns: readonly TableColumn<ResourceQuota>[] = [
  nameColumn,
  column('Request', 'string', 'What is used, of what may be', quota => used(quota, false)),
  column('Limit', 'string', 'The same of limits', quota => used(quota, true)),
  ageColumn,
]

/** Roles show when they were made, to the second: their age says little. */
export const roleColumns: readonly TableColumn<Role>[] = [
  nameColumn,
  column('Created At', 'date', 'When it was made', ({ metadata }) => metadata?.creationTimestamp ?? '<unknown>'),
]

const subjects = ({ subjects: all = [] }: RoleBinding | ClusterRoleBinding, kind: string): string =>
  all
    .filter(subject => subject.kind === kind)
    .map(({ name, namespace }) => (kind === 'ServiceAccount' ? `${namespace ?? ''}/${name}` : name))
    .join(', ')

export const roleBindingColumns: readonly TableColumn<RoleBinding | ClusterRoleBinding>[] = [
  nameColumn,
  column('Role', 'string', 'What it grants', ({ roleRef }: Partial<RoleBinding>) => (roleRef ? `${roleRef.kind}/${roleRef.name}` : '')),
  ageColumn,
  wide('Users', 'string', 'To which users', binding => subjects(binding, 'User')),
  wide('Groups', 'string', 'To which groups', binding => subjects(binding, 'Group')),
  wide('ServiceAccounts', 'string', 'To which accounts', binding => subjects(binding, 'ServiceAccount')),
]

function requestCondition({ status }: CertificateSigningRequest): string {
  const types = new Set(status?.conditions?.map(({ type }) => type))
  const words = [types.has('Denied') ? 'Denied' : types.has('Approved') ? 'Approved' : 'Pending']
  if (types.has('Failed')) words.push('Failed')
  if (status?.certificate) words.push('Issued')
  return words.join(',')
}

export const certificateSigningRequestColumns: readonly TableColumn<CertificateSigningRequest>[] = [
  nameColumn,
  ageColumn,
  column('SignerName', 'string', 'Who is to sign', ({ spec }) => spec?.signerName ?? '<none>'),
  column('Requestor', 'string', 'Who asks', ({ spec }) => spec?.username ?? ''),
  column('RequestedDuration', 'string', 'For how long', ({ spec }) =>
    spec?.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
  ),
  column('Condition', 'string', 'What became of it', requestCondition),
]

export const priorityClassColumns: readonly TableColumn<PriorityClass>[] = [
  nameColumn,
  column('Value', 'integer', 'The priority', ({ value }) => value ?? 0),
  column('Global-Default', 'boolean', 'True for Pods that name no class', ({ globalDefault }) => globalDefault ?? false),
  ageColumn,
  wide('PreemptionPolicy', 'string', 'Whether others must make way', ({ preemptionPolicy }) => preemptionPolicy ?? ''),
]

export const runtimeClassColumns: readonly TableColumn<RuntimeClass>[] = [
  nameColumn,
  column('Handler', 'string', 'What runs the containers', ({ handler }) => handler ?? ''),
  ageColumn,
]

export const componentStatusColumns: readonly TableColumn<ComponentStatus>[] = [
  nameColumn,
  column('Status', 'string', 'Whether it is well', ({ conditions }) => {
    const healthy = conditions?.find(({ type }) => type === 'Healthy')
    return healthy === undefined ? 'Unknown' : healthy.status === 'True' ? 'Healthy' : 'Unhealthy'
  }),
  column('Message', 'string', 'What it says', ({ conditions }) => conditions?.find(({ type }) => type === 'Healthy')?.message ?? ''),
  column('Error', 'string', 'What is wrong', ({ conditions }) => conditions?.find(({ type }) => type === 'Healthy')?.error ?? ''),
]

export const apiServiceColumns: readonly TableColumn<APIService>[] = [
  nameColumn,
  column('Service', 'string', 'Who serves it', ({ spec }) => (spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local')),
  column('Available', 'string', 'Whether it answers', ({ status }) => {
    const found = status?.conditions?.find(({ type }) => type === 'Available')
    if (found === undefined) return 'Unknown'
    return found.status === 'True' ? 'True' : `${found.status} (${found.reason ?? ''})`
  }),
  ageColumn,
]

export const customResourceDefinitionColumns: readonly TableColumn<CustomResourceDefinition>[] = [
  nameColumn,
  column('Created At', 'date', 'When it was made', ({ metadata }) => metadata?.creationTimestamp ?? '<unknown>'),
]

export const webhookColumns: readonly TableColumn<MutatingWebhookConfiguration | ValidatingWebhookConfiguration>[] = [
  nameColumn,
  column('Webhooks', 'integer', 'How many are called', ({ webhooks }) => webhooks?.length ?? 0),
  ageColumn,
]

const paramKind = ({ spec }: ValidatingAdmissionPolicy | MutatingAdmissionPolicy): string =>
  spec?.paramKind ? `${spec.paramKind.apiVersion}/${spec.paramKind.kind}` : '<unset>'

export const validatingAdmissionPolicyColumns: readonly TableColumn<ValidatingAdmissionPolicy>[] = [
  nameColumn,
  column('Validations', 'integer', 'How many rules it has', ({ spec }) => spec?.validations?.length ?? 0),
  column('ParamKind', 'string', 'Where its parameters are', paramKind),
  ageColumn,
]

export const mutatingAdmissionPolicyColumns: readonly TableColumn<MutatingAdmissionPolicy>[] = [
  nameColumn,
  column('Mutations', 'integer', 'How many changes it makes', ({ spec }) => spec?.mutations?.length ?? 0),
  column('ParamKind', 'string', 'Where its parameters are', paramKind),
  ageColumn,
]

export const admissionPolicyBindingColumns: readonly TableColumn<ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding>[] = [
  nameColumn,
  column('PolicyName', 'string', 'Which policy', ({ spec }) => spec?.policyName ?? ''),
  column('ParamRef', 'string', 'With which parameters', ({ spec }) => {
    const { namespace, name, selector } = spec?.paramRef ?? {}
    if (name !== undefined) return namespace ? `${namespace}/${name}` : `*/${name}`
    return selector === undefined ? '<unset>' : orNone(namespace)
  }),
  ageColumn,
]

export const flowSchemaColumns: readonly TableColumn<FlowSchema>[] = [
  nameColumn,
  column('PriorityLevel', 'string', 'The queue it leads to', ({ spec }) => spec?.priorityLevelConfiguration.name ?? ''),
  column('MatchingPrecedence', 'integer', 'Lower comes first', ({ spec }) => spec?.matchingPrecedence ?? 0),
  column('DistinguisherMethod', 'string', 'How flows are told apart', ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>'),
  ageColumn,
  column('MissingPL', 'string', 'Whether its queue is missing', ({ status }) => {
    const dangling = status?.conditions?.find(({ type }) => type === 'Dangling')
    return dangling?.status ?? '?'
  }),
]

export const priorityLevelColumns: readonly TableColumn<PriorityLevelConfiguration>[] = [
  nameColumn,
  column('Type', 'string', 'Limited or Exempt', ({ spec }) => spec?.type ?? ''),
  column('NominalConcurrencyShares', 'string', 'Its share of all seats', ({ spec }) =>
    orNone(String(spec?.limited?.nominalConcurrencyShares ?? spec?.exempt?.nominalConcurrencyShares ?? '')),
  ),
  column('Queues', 'string', 'How many queues', ({ spec }) => orUnsetQueue(spec?.limited?.limitResponse?.queuing?.queues)),
  column('HandSize', 'string', 'Queues of one flow', ({ spec }) => orUnsetQueue(spec?.limited?.limitResponse?.queuing?.handSize)),
  column('QueueLengthLimit', 'string', 'Requests in one queue', ({ spec }) =>
    orUnsetQueue(spec?.limited?.limitResponse?.queuing?.queueLengthLimit),
  ),
  ageColumn,
]
const orUnsetQueue = (value: number | undefined): string => (value === undefined ? '<none>' : orUnset(value))
