import type { User } from './authentication.js'

/**
 * The status of a review, by its kind; undefined for what is no review. Whoever is authenticated may do everything, and so every
 * question is answered with yes.
 */
export function reviewStatus(kind: string, { name, uid, groups, extra }: User): object | undefined {
  switch (kind) {
    case 'SelfSubjectReview':
      return { userInfo: { username: name, uid, groups, extra } }
    case 'LocalSubjectAccessReview':
    case 'SelfSubjectAccessReview':
    case 'SubjectAccessReview':
      return { allowed: true }
    case 'SelfSubjectRulesReview':
      return {
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
        nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
        incomplete: false,
      }
    default:
      return undefined
  }
}
