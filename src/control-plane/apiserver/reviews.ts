import { invalid } from '../../api/field-problem.js'
import type {
  NonResourceAttributes,
  PolicyRule,
  ResourceAttributes,
  SubjectAccessReviewSpec,
  TokenReviewSpec,
} from '../../api/generated/types.js'
import { badRequest, invalidObject } from '../../api/status.js'
import type { Access } from './access.js'
import type { User } from './authentication.js'
import type { Attributes } from './authorization/attributes.js'

/** The reviews: questions in the shape of objects, answered and never stored. */
const reviewKinds = new Set([
  'LocalSubjectAccessReview',
  'SelfSubjectAccessReview',
  'SelfSubjectReview',
  'SelfSubjectRulesReview',
  'SubjectAccessReview',
  'TokenReview',
])

export const isReview = (kind: string): boolean => reviewKinds.has(kind)

interface Question {
  readonly kind: string
  /** The namespace of the path. */
  readonly namespace: string | undefined
  readonly object: { readonly spec?: unknown }
  /** Who asks. */
  readonly user: User
}

/** The status of a review. Throws 400 and 422 for a question that is none. */
export async function reviewStatus(access: Access, question: Question): Promise<object> {
  const { kind, object, user, namespace } = question
  const spec = object.spec ?? {}
  switch (kind) {
    case 'SelfSubjectReview':
      return { userInfo: userInfo(user) }
    case 'SelfSubjectAccessReview':
      return accessStatus(access, question, user, spec)
    case 'LocalSubjectAccessReview': {
      const asked = spec as SubjectAccessReviewSpec
      if ((asked.resourceAttributes?.namespace ?? '') !== (namespace ?? '')) {
        const found = asked.resourceAttributes?.namespace ?? ''
        const detail = 'must match metadata.namespace'
        throw invalidQuestion(kind, [invalid('spec.resourceAttributes.namespace', found, detail)])
      }
      return accessStatus(access, question, subjectOf(asked, kind), asked)
    }
    case 'SubjectAccessReview':
      return accessStatus(access, question, subjectOf(spec as SubjectAccessReviewSpec, kind), spec)
    case 'SelfSubjectRulesReview': {
      const { namespace: wanted } = spec as { readonly namespace?: string }
      if (!wanted) throw badRequest('no namespace on request')
      return rulesStatus(access, user, wanted)
    }
    default:
      return tokenStatus(access, spec as TokenReviewSpec)
  }
}

const invalidQuestion = (kind: string, problems: Parameters<typeof invalidObject>[2]): Error =>
  invalidObject({ group: 'authorization.k8s.io', resource: '', kind }, '', problems)

const userInfo = ({ name, uid, groups, extra }: User) => ({
  username: name,
  ...(uid !== undefined && { uid }),
  groups,
  ...(extra && { extra }),
})

function subjectOf({ user = '', groups = [], uid, extra }: SubjectAccessReviewSpec, kind: string): User {
  if (user === '' && groups.length === 0) {
    throw invalidQuestion(kind, [invalid('spec.user', user, 'at least one of user or group must be specified')])
  }
  return { name: user, groups, ...(uid !== undefined && { uid }), ...(extra && { extra }) }
}

interface Asked {
  readonly resourceAttributes?: ResourceAttributes
  readonly nonResourceAttributes?: NonResourceAttributes
}

function accessStatus(
  { authorizer }: Access,
  { kind }: Question,
  user: User,
  { resourceAttributes, nonResourceAttributes }: Asked,
): object {
  if (Boolean(resourceAttributes) === Boolean(nonResourceAttributes)) {
    const detail = resourceAttributes
      ? 'cannot be specified in combination with resourceAttributes'
      : 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
    const field = resourceAttributes ? 'spec.nonResourceAttributes' : 'spec.resourceAttributes'
    throw invalidQuestion(kind, [invalid(field, (resourceAttributes ? nonResourceAttributes : resourceAttributes) ?? null, detail)])
  }
  const { allowed, reason } = authorizer.authorize(attributesOf(user, { resourceAttributes, nonResourceAttributes } as Asked))
  return { allowed, ...(reason !== undefined && { reason }) }
}

function attributesOf(user: User, { resourceAttributes: asked, nonResourceAttributes: path }: Asked): Attributes {
  if (!asked) return { user, verb: path?.verb ?? '', path: path?.path ?? '', resource: undefined }
  const { verb = '', group = '', version = '', resource = '', subresource = '', namespace = '', name = '', fieldSelector } = asked
  const required = fieldSelector?.requirements ?? []
  const selectedFields = Object.fromEntries(
    required.flatMap(({ key, operator, values = [] }) => (operator === 'In' && values.length === 1 ? [[key, values[0]!]] : [])),
  )
  return { user, verb, path: '', resource: { group, version, resource, subresource, namespace, name, selectedFields } }
}

function rulesStatus({ authorizer }: Access, user: User, namespace: string): object {
  const { rules, incomplete } = authorizer.rulesFor(user, namespace)
  const ofPaths = ({ nonResourceURLs = [] }: PolicyRule): boolean => nonResourceURLs.length > 0
  return {
    resourceRules: rules.filter(rule => !ofPaths(rule)),
    nonResourceRules: rules.filter(ofPaths),
    incomplete: incomplete !== undefined,
    ...(incomplete !== undefined && { evaluationError: incomplete }),
  }
}

async function tokenStatus(
  { tokens, staticTokens, issuer }: Access,
  { token = '', audiences = [] }: Partial<TokenReviewSpec>,
): Promise<object> {
  if (token === '') throw badRequest('token is required for TokenReview in authentication')
  const wanted = audiences.length > 0 ? audiences : [issuer]
  const fixed = staticTokens.userOf(token)
  if (fixed) return { authenticated: true, user: userInfo(fixed), audiences: wanted.filter(audience => audience === issuer) }
  const found = await tokens.review(token, wanted)
  if (found) return { authenticated: true, user: userInfo(found.user), audiences: found.audiences }
  return { authenticated: false, user: {}, error: 'invalid bearer token' }
}
