import { clusterroles } from '../../../api/generated/resources.js'
import type { ClusterRole, PolicyRule, RoleBinding } from '../../../api/generated/types.js'
import { jsonEqual } from '../../../api/json.js'
import { notFound } from '../../../api/status.js'
import type { Authorizer } from '../authorization/authorizer.js'
import { ruleText, uncoveredRules } from '../authorization/policy-rule.js'
import type { Rbac } from '../authorization/rbac.js'
import type { WritableObject } from '../object-writer.js'
import { type AdmissionPlugin, type AdmissionRequest, refused } from './admission-plugin.js'

const group = 'rbac.authorization.k8s.io'
/** Whoever gathers rules of other roles may end up with any. */
const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
]

/**
 * Nobody grants what they have not, unless they may `escalate` the role or `bind` it. Upstream has this in the storage of the four
 * resources; here it is a plugin, since it is one. Source: Kubernetes documentation, Using RBAC Authorization.
 */
export function rbacEscalationPlugin(authorizer: Authorizer, rbac: Rbac): AdmissionPlugin {
  const may = ({ user, object }: AdmissionRequest, verb: string, resource: string, name: string): boolean => {
    const attributes = { group, version: 'v1', resource, subresource: '', namespace: object.metadata.namespace ?? '', name }
    return authorizer.authorize({ user, verb, path: '', resource: attributes }).allowed
  }

  function refuseUnlessHeld(request: AdmissionRequest, rules: readonly PolicyRule[]): void {
    const { user, object } = request
    const missing = uncoveredRules(authorizer.rulesFor(user, object.metadata.namespace ?? '').rules, rules)
    if (missing.length === 0) return
    const who = `user ${JSON.stringify(user.name)} (groups=[${user.groups.map(name => JSON.stringify(name)).join(' ')}])`
    throw refused(
      request,
      `${who} is attempting to grant RBAC permissions not currently held:\n${joined(missing).map(ruleText).join('\n')}`,
    )
  }

  function checkRole(request: AdmissionRequest): void {
    const role = request.object as ClusterRole
    const before = request.previous as ClusterRole | undefined
    const isSame =
      before !== undefined && jsonEqual(role.rules ?? [], before.rules ?? []) && jsonEqual(role.aggregationRule, before.aggregationRule)
    if (isSame || may(request, 'escalate', request.resource.resource, role.metadata?.name ?? '')) return
    refuseUnlessHeld(request, role.rules ?? [])
    if (role.aggregationRule && !jsonEqual(role.aggregationRule, before?.aggregationRule)) refuseUnlessHeld(request, everything)
  }

  function checkBinding(request: AdmissionRequest): void {
    const { roleRef, subjects, metadata } = request.object as WritableObject & RoleBinding
    const before = request.previous as RoleBinding | undefined
    if (before && jsonEqual(roleRef, before.roleRef) && jsonEqual(subjects ?? [], before.subjects ?? [])) return
    if (may(request, 'bind', `${roleRef.kind.toLowerCase()}s`, roleRef.name)) return
    const rules = rbac.rulesOf(roleRef, metadata?.namespace ?? '')
    if (!rules) throw notFound({ ...clusterroles, resource: `${roleRef.kind.toLowerCase()}s` }, roleRef.name)
    refuseUnlessHeld(request, rules)
  }

  return {
    name: 'RBACEscalation',
    validate(request) {
      const { resource, operation } = request
      if (resource.group !== group || operation === 'DELETE') return undefined
      if (resource.resource.endsWith('roles')) checkRole(request)
      else checkBinding(request)
      return undefined
    },
  }
}

/** Rules that differ in their verbs alone, as one. */
function joined(rules: readonly PolicyRule[]): readonly PolicyRule[] {
  const found = new Map<string, PolicyRule>()
  for (const { verbs, ...rest } of rules) {
    const key = JSON.stringify(rest)
    found.set(key, { ...rest, verbs: [...(found.get(key)?.verbs ?? []), ...verbs] })
  }
  return [...found.values()]
}
