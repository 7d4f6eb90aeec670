import { type FieldProblem, invalid } from '../../../api/field-problem.js'
import { nodes, pods, secrets } from '../../../api/generated/resources.js'
import type {
  BoundObjectReference,
  Pod,
  Secret,
  ServiceAccount,
  AuthenticationTokenRequest as TokenRequest,
} from '../../../api/generated/types.js'
import type { KubeObject } from '../../../api/resource-type.js'
import { badRequest, conflict, invalidObject, notFound } from '../../../api/status.js'
import type { PolicyObjects } from '../authorization/policy-objects.js'

const shortest = 600
const longest = 2 ** 32

/** Throws 422 for a lifetime that no token may have. */
export function checkTokenRequest({ metadata, spec }: TokenRequest): void {
  const seconds = spec?.expirationSeconds
  const field = 'spec.expirationSeconds'
  const problems: FieldProblem[] = []
  if (seconds !== undefined && seconds < shortest) problems.push(invalid(field, seconds, 'may not specify a duration less than 10 minutes'))
  if (seconds !== undefined && seconds > longest)
    problems.push(invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds'))
  const resource = { group: 'authentication.k8s.io', resource: 'tokenrequests', kind: 'TokenRequest' }
  if (problems.length > 0) throw invalidObject(resource, metadata?.name ?? '', problems)
}

/** The object by whose end a token ends. */
export interface BoundObject {
  readonly kind: 'Pod' | 'Secret' | 'Node'
  readonly object: KubeObject
}

/** Finds what the token shall be bound to. Throws 404, 409 for another object of that name, and 400 for what no token can be bound to. */
export function boundObjectOf(
  objects: Pick<PolicyObjects, 'get'>,
  { metadata: account = {} }: ServiceAccount,
  ref: BoundObjectReference | undefined,
): BoundObject | undefined {
  if (!ref) return undefined
  const namespace = account.namespace ?? ''
  const name = ref.name ?? ''
  const found = <T extends KubeObject>(resource: Parameters<typeof notFound>[0], object: T | undefined): T => {
    if (!object) throw notFound(resource, name)
    const { uid = '' } = object.metadata ?? {}
    if (ref.uid && ref.uid !== uid) {
      const why = `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`
      throw conflict(resource, name, why)
    }
    return object
  }
  if (ref.apiVersion === 'v1' && ref.kind === 'Pod') {
    const pod: Pod = found(pods, objects.get(pods, { namespace, name }))
    if (pod.spec?.serviceAccountName !== account.name) {
      throw badRequest(
        `cannot bind token for serviceaccount ${JSON.stringify(account.name)} to pod running with different serviceaccount name.`,
      )
    }
    return { kind: 'Pod', object: pod }
  }
  if (ref.apiVersion === 'v1' && ref.kind === 'Secret') {
    const secret: Secret = found(secrets, objects.get(secrets, { namespace, name }))
    return { kind: 'Secret', object: secret }
  }
  if (ref.apiVersion === 'v1' && ref.kind === 'Node') return { kind: 'Node', object: found(nodes, objects.get(nodes, { name })) }
  throw badRequest(`cannot bind token to object of type ${ref.apiVersion ?? ''}, Kind=${ref.kind ?? ''}`)
}
