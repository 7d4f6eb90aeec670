import type { PolicyRule } from '../../../api/generated/types.js'
import { forbiddenRequest, refusal } from '../../../api/status.js'
import type { User } from '../authentication.js'
import type { Attributes } from './attributes.js'

/** What one authorizer says: yes, or nothing, with the reason if there is one to tell. Nobody says no: what nobody allows is refused. */
export interface Verdict {
  readonly allowed: boolean
  readonly reason?: string
}

/** One way to find out whether a request is allowed. Reads what is in memory, and so answers at once. */
export interface Authorizer {
  authorize(attributes: Attributes): Verdict
  /** The rules by which it decides for `user` in `namespace`, for those who ask what they may do. */
  rulesFor(user: User, namespace: string): RulesAnswer
}

export interface RulesAnswer {
  readonly rules: readonly PolicyRule[]
  /** Set when there is more than rules can tell. */
  readonly incomplete?: string
}

/** Asks one after the other; the first yes counts. */
export function authorizerChain(authorizers: readonly Authorizer[]): Authorizer {
  return {
    authorize(attributes) {
      const reasons: string[] = []
      for (const authorizer of authorizers) {
        const verdict = authorizer.authorize(attributes)
        if (verdict.allowed) return verdict
        if (verdict.reason) reasons.push(verdict.reason)
      }
      return reasons.length === 0 ? { allowed: false } : { allowed: false, reason: reasons.join('\n') }
    },
    rulesFor(user, namespace) {
      const answers = authorizers.map(authorizer => authorizer.rulesFor(user, namespace))
      const incomplete = answers.flatMap(answer => answer.incomplete ?? []).join(', ')
      return { rules: answers.flatMap(({ rules }) => rules), ...(incomplete !== '' && { incomplete }) }
    },
  }
}

const privilegedGroup = 'system:masters'

/** Members of system:masters may do everything, whatever the objects in the store say: the way back in. */
export const privilegedGroups: Authorizer = {
  authorize: ({ user }) => ({ allowed: user.groups.includes(privilegedGroup) }),
  rulesFor: ({ groups }) => ({
    rules: groups.includes(privilegedGroup)
      ? [
          { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
          { verbs: ['*'], nonResourceURLs: ['*'] },
        ]
      : [],
  }),
}

/** Throws 403, in upstream's words, for what `authorizer` does not allow. */
export function refuseUnlessAllowed(authorizer: Authorizer, attributes: Attributes): void {
  const { allowed, reason } = authorizer.authorize(attributes)
  if (allowed) return
  const why = reason ? `${sentenceOf(attributes)}: ${reason}` : sentenceOf(attributes)
  const { resource } = attributes
  if (resource) throw forbiddenRequest({ ...resource, kind: '' }, resource.name, why)
  throw refusal({ http: 403, reason: 'Forbidden', message: `forbidden: ${why}`, details: {} })
}

/** Source: apiserver, pkg/endpoints/handlers/responsewriters/errors.go. */
function sentenceOf({ user, verb, resource, path }: Attributes): string {
  const subject = `User ${JSON.stringify(user.name)} cannot ${verb}`
  if (!resource) return `${subject} path ${JSON.stringify(path)}`
  const what = resource.subresource === '' ? resource.resource : `${resource.resource}/${resource.subresource}`
  const where = resource.namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(resource.namespace)}`
  return `${subject} resource ${JSON.stringify(what)} in API group ${JSON.stringify(resource.group)} ${where}`
}
