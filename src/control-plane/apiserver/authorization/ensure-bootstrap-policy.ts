import type { ApiResource } from '../../../api/api-resource.js'
import { clusterrolebindings, clusterroles, rolebindings, roles } from '../../../api/generated/resources.js'
import type { PolicyRule, RbacSubject } from '../../../api/generated/types.js'
import { jsonEqual } from '../../../api/json.js'
import type { KubeObject, ResourceType } from '../../../api/resource-type.js'
import { isPodwireError } from '../../../base/errors/podwire-error.js'
import type { ObjectWriter, WritableObject } from '../object-writer.js'
import { bootstrapBindings, bootstrapNamespaceBindings, bootstrapNamespaceRoles } from './bootstrap-bindings.js'
import { bootstrapRoles } from './bootstrap-roles.js'
import { controllerRoles } from './controller-roles.js'
import { podwireRoles } from './podwire-roles.js'
import type { PolicyObjects } from './policy-objects.js'
import { uncoveredRules } from './policy-rule.js'

const autoUpdate = 'rbac.authorization.kubernetes.io/autoupdate'
const bootstrapLabel = { 'kubernetes.io/bootstrapping': 'rbac-defaults' }
const manager = 'kube-apiserver'

interface Parts {
  readonly writer: ObjectWriter
  readonly objects: PolicyObjects
  readonly rowOf: (resource: ApiResource) => ResourceType
}

/** A role or a binding, with what matters of it. */
interface Policy extends KubeObject {
  readonly rules?: readonly PolicyRule[]
  readonly aggregationRule?: object
  readonly roleRef?: object
  readonly subjects?: readonly RbacSubject[]
}

/**
 * Makes sure that the roles and bindings of every cluster are there and grant at least what they should; what an administrator has added
 * stays, and so does everything in an object whose annotation `autoupdate` is "false". A binding to another role is made anew.
 */
export async function ensureBootstrapPolicy(parts: Parts): Promise<void> {
  const ensureAll = (resource: ApiResource, wanted: readonly Policy[]) => Promise.all(wanted.map(object => ensure(parts, resource, object)))
  await ensureAll(clusterroles, [...bootstrapRoles, ...controllerRoles, ...podwireRoles])
  await ensureAll(clusterrolebindings, bootstrapBindings)
  await ensureAll(roles, bootstrapNamespaceRoles)
  await ensureAll(rolebindings, bootstrapNamespaceBindings)
}

async function ensure({ writer, objects, rowOf }: Parts, resource: ApiResource, given: Policy): Promise<void> {
  const { name = '', namespace, labels } = given.metadata ?? {}
  const metadata = {
    name,
    ...(namespace !== undefined && { namespace }),
    labels: { ...labels, ...bootstrapLabel },
    annotations: { [autoUpdate]: 'true' },
  }
  const wanted = { ...given, metadata }
  const row = rowOf(resource)
  const create = async (): Promise<void> => {
    try {
      await writer.create(row, structuredClone(wanted) as WritableObject, { dryRun: false, manager })
    } catch (error) {
      if (!isPodwireError(error, 'ALREADY_EXISTS')) throw error // Another server of this cluster was faster.
    }
  }
  const present = objects.get(resource as ApiResource<Policy>, { namespace, name })
  if (!present) return create()
  if (present.metadata?.annotations?.[autoUpdate] === 'false') return
  if (given.roleRef && !sameRole(given.roleRef, present.roleRef)) {
    await writer.delete({ resource: row, at: { namespace, name }, options: {}, dryRun: false })
    return create()
  }
  const completed = complete(present, wanted)
  if (jsonEqual(completed, present)) return
  await writer.update({ resource: row, at: { namespace, name }, dryRun: false, manager, change: current => complete(current, wanted) })
}

function complete(present: Policy, wanted: Policy): WritableObject {
  const { rules = [], subjects = [] } = present
  const missingRules = wanted.aggregationRule ? [] : (wanted.rules ?? []).filter(rule => uncoveredRules(rules, [rule]).length > 0)
  const missingSubjects = (wanted.subjects ?? []).filter(subject => !subjects.some(other => sameSubject(other, subject)))
  return {
    ...structuredClone(present),
    metadata: {
      ...present.metadata,
      labels: { ...present.metadata?.labels, ...wanted.metadata?.labels },
      annotations: { ...wanted.metadata?.annotations, ...present.metadata?.annotations },
    },
    ...(wanted.aggregationRule && { aggregationRule: present.aggregationRule ?? wanted.aggregationRule }),
    ...(missingRules.length > 0 && { rules: [...rules, ...missingRules] }),
    ...(missingSubjects.length > 0 && { subjects: [...subjects, ...missingSubjects] }),
  } as WritableObject
}

/** By content: the store need not keep the order of fields. */
const sameRole = (a: object, b: object | undefined): boolean => jsonEqual(a, b)
const sameSubject = (a: RbacSubject, b: RbacSubject): boolean =>
  a.kind === b.kind && a.name === b.name && (a.namespace ?? '') === (b.namespace ?? '')
