import type { ClusterRoleBinding, RbacSubject, Role, RoleBinding } from '../../../api/generated/types.js'
import { controllerAccounts, controllerRoleOf } from './controller-roles.js'
import { agentRole, controllerManagerRole } from './podwire-roles.js'
import { read, rule } from './rule.js'

const apiGroup = 'rbac.authorization.k8s.io'
const user = (name: string): RbacSubject => ({ kind: 'User', apiGroup, name })
const group = (name: string): RbacSubject => ({ kind: 'Group', apiGroup, name })
const account = (name: string): RbacSubject => ({ kind: 'ServiceAccount', namespace: 'kube-system', name })

const binding = (role: string, subjects: readonly RbacSubject[], name = role): ClusterRoleBinding => ({
  metadata: { name },
  roleRef: { apiGroup, kind: 'ClusterRole', name: role },
  subjects,
})

const controllerManager = user('system:kube-controller-manager')

/** Who has the roles of every cluster. Facts: Kubernetes, bootstrappolicy.ClusterRoleBindings. */
export const bootstrapBindings: readonly ClusterRoleBinding[] = [
  binding('cluster-admin', [group('system:masters')]),
  binding('system:monitoring', [group('system:monitoring')]),
  binding('system:discovery', [group('system:authenticated')]),
  binding('system:basic-user', [group('system:authenticated')]),
  binding('system:public-info-viewer', [group('system:authenticated'), group('system:unauthenticated')]),
  binding('system:node-proxier', [user('system:kube-proxy')]),
  binding('system:kube-controller-manager', [controllerManager]),
  binding('system:kube-dns', [account('kube-dns')]),
  binding('system:kube-scheduler', [user('system:kube-scheduler')]),
  binding('system:volume-scheduler', [user('system:kube-scheduler')]),
  // Nodes are the Node authorizer's business; the role is there for whoever binds it.
  binding('system:node', []),
  binding('system:service-account-issuer-discovery', [group('system:serviceaccounts')]),
  ...controllerAccounts.map(name => binding(controllerRoleOf(name), [account(name)])),
  // Our controllers share one identity, as upstream's do without --use-service-account-credentials, which then needs all their roles.
  ...controllerAccounts.map(name => binding(controllerRoleOf(name), [controllerManager], `podwire:controller-manager:${name}`)),
  binding(controllerManagerRole, [controllerManager]),
  binding(agentRole, [group('system:nodes')]),
]

/** Roles in namespaces. Facts: Kubernetes, bootstrappolicy namespace_policy.go. */
export const bootstrapNamespaceRoles: readonly Role[] = [
  {
    metadata: { name: 'extension-apiserver-authentication-reader', namespace: 'kube-system' },
    rules: [rule(read, 'core', 'configmaps', 'extension-apiserver-authentication')],
  },
  {
    metadata: { name: 'system:controller:token-cleaner', namespace: 'kube-system' },
    rules: [rule(`delete ${read}`, 'core', 'secrets'), rule('create patch update', 'core events.k8s.io', 'events')],
  },
  {
    metadata: { name: 'system::leader-locking-kube-controller-manager', namespace: 'kube-system' },
    rules: [rule('watch', 'core', 'configmaps'), rule('get update', 'core', 'configmaps', 'kube-controller-manager')],
  },
  {
    metadata: { name: 'system::leader-locking-kube-scheduler', namespace: 'kube-system' },
    rules: [rule('watch', 'core', 'configmaps'), rule('get update', 'core', 'configmaps', 'kube-scheduler')],
  },
]

const namespaceBinding = (role: string, subjects: readonly RbacSubject[], name = role): RoleBinding => ({
  metadata: { name, namespace: 'kube-system' },
  roleRef: { apiGroup, kind: 'Role', name: role },
  subjects,
})

export const bootstrapNamespaceBindings: readonly RoleBinding[] = [
  namespaceBinding('system:controller:token-cleaner', [account('token-cleaner')]),
  namespaceBinding('system::leader-locking-kube-controller-manager', [controllerManager, account('kube-controller-manager')]),
  namespaceBinding('system::leader-locking-kube-scheduler', [user('system:kube-scheduler'), account('kube-scheduler')]),
  namespaceBinding(
    'extension-apiserver-authentication-reader',
    [controllerManager, user('system:kube-scheduler')],
    'system::extension-apiserver-authentication-reader',
  ),
]
