import { clusterrolebindings, clusterroles, rolebindings, roles } from '../../../api/generated/resources.js'
import type { ClusterRole, ClusterRoleBinding, PolicyRule, RbacSubject, Role, RoleBinding, RoleRef } from '../../../api/generated/types.js'
import type { User } from '../authentication.js'
import type { Attributes } from './attributes.js'
import type { Authorizer } from './authorizer.js'
import type { PolicyObjects } from './policy-objects.js'
import { ruleAllows } from './policy-rule.js'

/** Roles and who has them. */
export interface Rbac extends Authorizer {
  /** The rules of a role; undefined when there is no such role. */
  rulesOf(ref: RoleRef, namespace: string): readonly PolicyRule[] | undefined
}

interface Grant {
  readonly roleRef: RoleRef
  /** Where a RoleBinding holds; undefined for a ClusterRoleBinding. */
  readonly namespace: string | undefined
  readonly binding: string
  readonly subject: string
}

type RbacObjects = Pick<PolicyObjects, 'get' | 'list' | 'onChange'>
type Index = ReadonlyMap<string, readonly Grant[]>

/** Allows what the bindings in the store grant. Source: Kubernetes documentation, Using RBAC Authorization. */
export function rbacAuthorizer(objects: RbacObjects): Rbac {
  let index: Index | undefined
  objects.onChange([rolebindings, clusterrolebindings], () => {
    index = undefined
  })

  function grantsOf(user: User, namespace: string): Grant[] {
    index ??= indexBindings(objects)
    const found = [`User:${user.name}`, ...user.groups.map(group => `Group:${group}`)].flatMap(subject => index!.get(subject) ?? [])
    return found.filter(grant => grant.namespace === undefined || (namespace !== '' && grant.namespace === namespace))
  }

  function rulesOf(ref: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    const found =
      ref.kind === 'Role'
        ? objects.get<Role>(roles, { namespace, name: ref.name })
        : objects.get<ClusterRole>(clusterroles, { name: ref.name })
    return found && (found.rules ?? [])
  }

  return {
    rulesOf,
    authorize(attributes: Attributes) {
      const namespace = attributes.resource?.namespace ?? ''
      const missing = new Set<string>()
      for (const grant of grantsOf(attributes.user, namespace)) {
        const rules = rulesOf(grant.roleRef, grant.namespace ?? '')
        if (!rules)
          missing.add(`${grant.roleRef.kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(grant.roleRef.name)} not found`)
        else if (rules.some(rule => ruleAllows(rule, attributes))) return { allowed: true, reason: reasonOf(grant) }
      }
      if (missing.size === 0) return { allowed: false }
      const texts = [...missing]
      return { allowed: false, reason: `RBAC: ${texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`}` }
    },
    rulesFor: (user, namespace) => ({
      rules: grantsOf(user, namespace).flatMap(grant => rulesOf(grant.roleRef, grant.namespace ?? '') ?? []),
    }),
  }
}

function indexBindings(objects: RbacObjects): Index {
  const index = new Map<string, Grant[]>()
  const add = (bindings: readonly (RoleBinding | ClusterRoleBinding)[]): void => {
    for (const { metadata = {}, roleRef, subjects = [] } of bindings) {
      for (const subject of subjects) {
        const key = subjectKey(subject, metadata.namespace)
        const grant: Grant = {
          roleRef,
          namespace: metadata.namespace,
          binding: metadata.namespace === undefined ? (metadata.name ?? '') : `${metadata.name}/${metadata.namespace}`,
          subject: subjectText(subject, metadata.namespace),
        }
        index.set(key, [...(index.get(key) ?? []), grant])
      }
    }
  }
  add(objects.list<ClusterRoleBinding>(clusterrolebindings))
  add(objects.list<RoleBinding>(rolebindings))
  return index
}

/** A ServiceAccount is the user of that name; without a namespace it is one of the binding's own. */
const subjectKey = ({ kind, name, namespace }: RbacSubject, own = ''): string =>
  kind === 'ServiceAccount' ? `User:system:serviceaccount:${namespace || own}:${name}` : `${kind}:${name}`

const subjectText = ({ kind, name, namespace }: RbacSubject, own = ''): string =>
  `${kind} ${JSON.stringify(kind === 'ServiceAccount' ? `${name}/${namespace || own}` : name)}`

function reasonOf({ namespace, binding, roleRef, subject }: Grant): string {
  const kind = namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding'
  return `RBAC: allowed by ${kind} ${JSON.stringify(binding)} of ${roleRef.kind} ${JSON.stringify(roleRef.name)} to ${subject}`
}
