import type { ClusterRole, PolicyRule } from '../../../api/generated/types.js'
import { nodeRules } from './node-rules.js'
import { eventsRule, pathRule, read, rule, write } from './rule.js'

const aggregatesTo = (role: string): string => `rbac.authorization.k8s.io/aggregate-to-${role}`

/** A role whose rules the aggregation controller gathers from the roles with the label of its name. */
const gathered = (name: string, labels: Readonly<Record<string, string>> = {}): ClusterRole => ({
  metadata: { name, labels },
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregatesTo(name)]: 'true' } }] },
})
const role = (name: string, rules: readonly PolicyRule[], labels: Readonly<Record<string, string>> = {}): ClusterRole => ({
  metadata: { name, labels },
  rules,
})

const scalable = 'deployments deployments/scale replicasets replicasets/scale'
const workloads = `daemonsets ${scalable} statefulsets statefulsets/scale`

/** What may be seen in a namespace by whoever sees no Secrets: no exec and no proxy either, they lead to them. */
const viewRules: readonly PolicyRule[] = [
  rule(
    read,
    'core',
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
  ),
  rule(
    read,
    'core',
    'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
  ),
  rule(read, 'core', 'namespaces'),
  rule(read, 'discovery.k8s.io', 'endpointslices'),
  rule(read, 'apps', `controllerrevisions daemonsets/status deployments/status replicasets/status statefulsets/status ${workloads}`),
  rule(read, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  rule(read, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  rule(read, 'extensions', `daemonsets ingresses networkpolicies replicationcontrollers/scale ${scalable}`),
  rule(read, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  rule(read, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
]

const editRules: readonly PolicyRule[] = [
  rule(read, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
  rule('impersonate', 'core', 'serviceaccounts'),
  rule(write, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
  rule('create', 'core', 'pods/eviction'),
  rule(
    write,
    'core',
    'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ),
  rule('create', 'core', 'serviceaccounts/token'),
  rule(write, 'apps', `deployments/rollback ${workloads}`),
  rule(write, 'autoscaling', 'horizontalpodautoscalers'),
  rule(write, 'batch', 'cronjobs jobs'),
  rule(write, 'extensions', `daemonsets deployments/rollback ingresses networkpolicies replicationcontrollers/scale ${scalable}`),
  rule(write, 'policy', 'poddisruptionbudgets'),
  rule(write, 'networking.k8s.io', 'ingresses networkpolicies'),
  rule(`${write} ${read}`, 'coordination.k8s.io', 'leases'),
]

const adminRules: readonly PolicyRule[] = [
  rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
  rule(`${write} ${read}`, 'rbac.authorization.k8s.io', 'rolebindings roles'),
]

/** A component that elects a leader keeps one Lease, and reads how the API server authenticates others. */
const leaderRules = (name: string): readonly PolicyRule[] => [
  eventsRule,
  rule('create', 'coordination.k8s.io', 'leases'),
  rule('get list update watch', 'coordination.k8s.io', 'leases', name),
  rule('create', 'coordination.k8s.io', 'leasecandidates'),
  rule('delete deletecollection get list patch update watch', 'coordination.k8s.io', 'leasecandidates'),
]

/** The roles that every cluster has, under upstream's names. Facts: Kubernetes, bootstrappolicy.ClusterRoles. */
export const bootstrapRoles: readonly ClusterRole[] = [
  role('cluster-admin', [rule('*', '*', '*'), pathRule('*', '*')]),
  role('system:discovery', [pathRule('get', '/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/')]),
  role('system:monitoring', [pathRule('get', '/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*')]),
  role('system:basic-user', [
    rule('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
    rule('create', 'authentication.k8s.io', 'selfsubjectreviews'),
  ]),
  role('system:public-info-viewer', [pathRule('get', '/healthz /livez /readyz /version /version/')]),
  gathered('admin'),
  gathered('edit', { [aggregatesTo('admin')]: 'true' }),
  gathered('view', { [aggregatesTo('edit')]: 'true' }),
  role('system:aggregate-to-admin', adminRules, { [aggregatesTo('admin')]: 'true' }),
  role('system:aggregate-to-edit', editRules, { [aggregatesTo('edit')]: 'true' }),
  role('system:aggregate-to-view', viewRules, { [aggregatesTo('view')]: 'true' }),
  role('system:heapster', [rule(read, 'core', 'events namespaces nodes pods'), rule(read, 'extensions', 'deployments')]),
  role('system:node', nodeRules),
  role('system:node-problem-detector', [rule('get', 'core', 'nodes'), rule('patch', 'core', 'nodes/status'), eventsRule]),
  role('system:kubelet-api-admin', [
    rule(read, 'core', 'nodes'),
    rule('proxy', 'core', 'nodes'),
    rule('*', 'core', 'nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats'),
  ]),
  role('system:node-bootstrapper', [rule(`create ${read}`, 'certificates.k8s.io', 'certificatesigningrequests')]),
  role('system:auth-delegator', [
    rule('create', 'authentication.k8s.io', 'tokenreviews'),
    rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
  ]),
  role('system:kube-aggregator', [rule(read, 'core', 'endpoints services')]),
  role('system:kube-controller-manager', [
    ...leaderRules('kube-controller-manager'),
    rule('create', 'core', 'secrets serviceaccounts'),
    rule('delete', 'core', 'secrets'),
    rule('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
    rule('update', 'core', 'secrets serviceaccounts'),
    rule('create', 'authentication.k8s.io', 'tokenreviews'),
    rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    rule('list watch', '*', '*'),
    rule('create', 'core', 'serviceaccounts/token'),
  ]),
  role('system:kube-dns', [rule('list watch', 'core', 'endpoints services')]),
  role('system:persistent-volume-provisioner', [
    rule('create delete get list watch', 'core', 'persistentvolumes'),
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule(read, 'storage.k8s.io', 'storageclasses'),
    rule('watch', 'core', 'events'),
    eventsRule,
  ]),
  role('system:certificates.k8s.io:certificatesigningrequests:nodeclient', [
    rule('create', 'certificates.k8s.io', 'certificatesigningrequests/nodeclient'),
  ]),
  role('system:certificates.k8s.io:certificatesigningrequests:selfnodeclient', [
    rule('create', 'certificates.k8s.io', 'certificatesigningrequests/selfnodeclient'),
  ]),
  role('system:volume-scheduler', [
    rule('get list patch update watch', 'core', 'persistentvolumes'),
    rule(read, 'storage.k8s.io', 'storageclasses'),
    rule('get list patch update watch', 'core', 'persistentvolumeclaims'),
  ]),
  role('system:certificates.k8s.io:legacy-unknown-approver', [
    rule('approve', 'certificates.k8s.io', 'signers', 'kubernetes.io/legacy-unknown'),
  ]),
  role('system:certificates.k8s.io:kubelet-serving-approver', [
    rule('approve', 'certificates.k8s.io', 'signers', 'kubernetes.io/kubelet-serving'),
  ]),
  role('system:certificates.k8s.io:kube-apiserver-client-approver', [
    rule('approve', 'certificates.k8s.io', 'signers', 'kubernetes.io/kube-apiserver-client'),
  ]),
  role('system:certificates.k8s.io:kube-apiserver-client-kubelet-approver', [
    rule('approve', 'certificates.k8s.io', 'signers', 'kubernetes.io/kube-apiserver-client-kubelet'),
  ]),
  role('system:service-account-issuer-discovery', [
    pathRule('get', '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/'),
  ]),
  role('system:node-proxier', [
    rule('list watch', 'core', 'endpoints services'),
    rule(read, 'core', 'nodes'),
    eventsRule,
    rule('list watch', 'discovery.k8s.io', 'endpointslices'),
    rule('list watch', 'networking.k8s.io', 'servicecidrs'),
  ]),
  role('system:kube-scheduler', [
    ...leaderRules('kube-scheduler'),
    rule(read, 'core', 'nodes'),
    rule('delete get list watch', 'core', 'pods'),
    rule('create', 'core', 'bindings pods/binding'),
    rule('patch update', 'core', 'pods/status'),
    rule(read, 'core', 'replicationcontrollers services'),
    rule(read, 'apps extensions', 'replicasets'),
    rule(read, 'apps', 'statefulsets'),
    rule(read, 'policy', 'poddisruptionbudgets'),
    rule(read, 'core', 'persistentvolumeclaims persistentvolumes'),
    rule('create', 'authentication.k8s.io', 'tokenreviews'),
    rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    rule(read, 'storage.k8s.io', 'csinodes'),
    rule('list watch', 'core', 'namespaces'),
    rule(read, 'storage.k8s.io', 'csidrivers csistoragecapacities volumeattachments'),
    rule(read, 'resource.k8s.io', 'deviceclasses'),
    rule('get list patch update watch', 'resource.k8s.io', 'resourceclaims'),
    rule('patch update', 'resource.k8s.io', 'resourceclaims/status'),
    rule(read, 'core', 'pods/finalizers'),
    rule(read, 'resource.k8s.io', 'resourceslices'),
  ]),
]
