import t from 'tap'

import type { ApiResource, ObjectKey } from '../../../../../src/api/api-resource.js'
import { clusterrolebindings, clusterroles, rolebindings, roles } from '../../../../../src/api/generated/resources.js'
import type { PolicyRule, RbacSubject, RoleRef } from '../../../../../src/api/generated/types.js'
import type { KubeObject } from '../../../../../src/api/resource-type.js'
import { attributesOf } from '../../../../../src/control-plane/apiserver/authorization/attributes.js'
import type { PolicyObjects } from '../../../../../src/control-plane/apiserver/authorization/policy-objects.js'
import { ruleText, uncoveredRules } from '../../../../../src/control-plane/apiserver/authorization/policy-rule.js'
import { rbacAuthorizer } from '../../../../../src/control-plane/apiserver/authorization/rbac.js'
import { pathRule, rule } from '../../../../../src/control-plane/apiserver/authorization/rule.js'

const clusterRole = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name })
const subject = (kind: string, name: string, namespace?: string) => ({ kind, name, ...(namespace !== undefined && { namespace }) })

interface Policy extends KubeObject {
  readonly rules?: readonly PolicyRule[]
  readonly roleRef?: RoleRef
  readonly subjects?: readonly RbacSubject[]
}

const stored: readonly (readonly [ApiResource, Policy])[] = [
  [
    clusterroles,
    { metadata: { name: 'reader' }, rules: [rule('get list', 'core', 'pods pods/log'), pathRule('get', '/metrics /healthz/*')] },
  ],
  [clusterroles, { metadata: { name: 'scaler' }, rules: [rule('get update', '*', '*/scale')] }],
  [clusterroles, { metadata: { name: 'one-map' }, rules: [rule('get list watch', 'core', 'configmaps', 'settings')] }],
  [clusterroles, { metadata: { name: 'everything' }, rules: [rule('*', '*', '*')] }],
  [roles, { metadata: { name: 'secrets', namespace: 'shop' }, rules: [rule('get', 'core', 'secrets')] }],
  [clusterrolebindings, { metadata: { name: 'readers' }, roleRef: clusterRole('reader'), subjects: [subject('Group', 'readers')] }],
  [clusterrolebindings, { metadata: { name: 'scalers' }, roleRef: clusterRole('scaler'), subjects: [subject('User', 'sam')] }],
  [clusterrolebindings, { metadata: { name: 'maps' }, roleRef: clusterRole('one-map'), subjects: [subject('User', 'sam')] }],
  [clusterrolebindings, { metadata: { name: 'gone' }, roleRef: clusterRole('not-there'), subjects: [subject('User', 'gil')] }],
  [rolebindings, { metadata: { name: 'all', namespace: 'shop' }, roleRef: clusterRole('everything'), subjects: [subject('User', 'ann')] }],
  [
    rolebindings,
    {
      metadata: { name: 'app', namespace: 'shop' },
      roleRef: { ...clusterRole('secrets'), kind: 'Role' },
      subjects: [subject('ServiceAccount', 'app'), subject('ServiceAccount', 'other', 'infra')],
    },
  ],
]

const objects: Pick<PolicyObjects, 'get' | 'list' | 'onChange'> = {
  get: <T extends KubeObject>(resource: ApiResource<T>, { namespace, name }: ObjectKey) =>
    stored.find(
      ([other, { metadata }]) =>
        other.resource === resource.resource && metadata?.name === name && metadata.namespace === (namespace || undefined),
    )?.[1] as T | undefined,
  list: <T extends KubeObject>(resource: ApiResource<T>) =>
    stored.filter(([other]) => other.resource === resource.resource).map(([, object]) => object as T),
  onChange: () => undefined,
}
const rbac = rbacAuthorizer(objects)

const app = 'system:serviceaccount:shop:app'
/** User, group, method, path, allowed? */
const cases: readonly (readonly [string, string, string, string, boolean])[] = [
  ['rob', 'readers', 'GET', '/api/v1/namespaces/shop/pods', true],
  ['rob', 'readers', 'GET', '/api/v1/pods', true],
  ['rob', 'readers', 'GET', '/api/v1/pods?watch=1', false],
  ['rob', 'readers', 'GET', '/api/v1/namespaces/shop/pods/web/log', true],
  ['rob', 'readers', 'GET', '/api/v1/namespaces/shop/pods/web/exec', false],
  ['rob', 'readers', 'DELETE', '/api/v1/namespaces/shop/pods/web', false],
  ['rob', 'others', 'GET', '/api/v1/pods', false],
  ['rob', 'readers', 'GET', '/apis/apps/v1/pods', false],
  ['rob', 'readers', 'GET', '/metrics', true],
  ['rob', 'readers', 'GET', '/healthz/ping', true],
  ['rob', 'readers', 'GET', '/healthz', false],
  ['rob', 'readers', 'POST', '/metrics', false],
  ['sam', '', 'PUT', '/apis/apps/v1/namespaces/shop/deployments/web/scale', true],
  ['sam', '', 'PATCH', '/apis/apps/v1/namespaces/shop/deployments/web/scale', false],
  ['sam', '', 'PUT', '/apis/apps/v1/namespaces/shop/deployments/web', false],
  ['sam', '', 'GET', '/api/v1/namespaces/shop/configmaps/settings', true],
  ['sam', '', 'GET', '/api/v1/namespaces/shop/configmaps/others', false],
  ['sam', '', 'GET', '/api/v1/namespaces/shop/configmaps', false],
  ['sam', '', 'GET', '/api/v1/namespaces/shop/configmaps?fieldSelector=metadata.name=settings', true],
  ['sam', '', 'GET', '/api/v1/namespaces/shop/configmaps?watch=true&fieldSelector=metadata.name%3Dsettings', true],
  ['ann', '', 'DELETE', '/api/v1/namespaces/shop/secrets', true],
  ['ann', '', 'DELETE', '/api/v1/namespaces/other/secrets', false],
  ['ann', '', 'GET', '/api/v1/secrets', false],
  // A Namespace itself is in its own namespace to authorization, as upstream has it.
  ['ann', '', 'GET', '/api/v1/namespaces/shop', true],
  ['ann', '', 'GET', '/api/v1/namespaces', false],
  ['ann', '', 'GET', '/version', false],
  [app, '', 'GET', '/api/v1/namespaces/shop/secrets/s', true],
  ['app', '', 'GET', '/api/v1/namespaces/shop/secrets/s', false],
  ['system:serviceaccount:infra:other', '', 'GET', '/api/v1/namespaces/shop/secrets/s', true],
  ['system:serviceaccount:shop:other', '', 'GET', '/api/v1/namespaces/shop/secrets/s', false],
]

for (const [name, group, method, url, allowed] of cases) {
  t.test(`${name}${group && ` of ${group}`} ${allowed ? 'may' : 'may not'} ${method} ${url}`, async t => {
    const { pathname: path, searchParams: query } = new URL(url, 'https://podwire')
    const user = { name, groups: [group] }
    t.equal(rbac.authorize(attributesOf({ user, method, path, query })).allowed, allowed)
  })
}

t.test('a binding to a role that is not there is told', async t => {
  const query = new URLSearchParams()
  const answer = rbac.authorize(attributesOf({ user: { name: 'gil', groups: [] }, method: 'GET', path: '/api/v1/pods', query }))
  t.strictSame(answer, { allowed: false, reason: 'RBAC: clusterrole.rbac.authorization.k8s.io "not-there" not found' })
})

t.test('nobody may grant more than they have', async t => {
  const owned = [rule('get list', 'core apps', 'pods deployments'), rule('get', 'core', 'secrets', 'mine'), pathRule('get', '/metrics/*')]
  const rows: readonly (readonly [ReturnType<typeof rule>, readonly string[]])[] = [
    [rule('get', 'core', 'pods'), []],
    [rule('get', 'core', 'pods', 'web'), []],
    [rule('get watch', 'core', 'pods'), ['{APIGroups:[""], Resources:["pods"], Verbs:["watch"]}']],
    [rule('*', 'core', 'pods'), ['{APIGroups:[""], Resources:["pods"], Verbs:["*"]}']],
    [rule('get', 'core', 'secrets', 'mine'), []],
    [rule('get', 'core', 'secrets'), ['{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}']],
    [rule('get', 'core', 'pods/log'), ['{APIGroups:[""], Resources:["pods/log"], Verbs:["get"]}']],
    [pathRule('get', '/metrics/slis'), []],
    [pathRule('get', '/healthz'), ['{NonResourceURLs:["/healthz"], Verbs:["get"]}']],
  ]
  for (const [wanted, missing] of rows) t.strictSame(uncoveredRules(owned, [wanted]).map(ruleText), missing, ruleText(wanted))
})
