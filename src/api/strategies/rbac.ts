import { type FieldProblem, invalidAll, notSupported, required } from '../field-problem.js'
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '../generated/types.js'
import type { Draft } from '../json.js'
import { checkDnsSubdomain, type NameCheck } from '../name-format.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable, validateLabelSelector } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'

export const rbacGroup = 'rbac.authorization.k8s.io'

/** RBAC's names have colons: whatever can be one segment of a path. */
const checkPathSegment: NameCheck = text => [
  ...(text === '.' || text === '..' ? [`may not be '${text}'`] : []),
  ...['/', '%'].filter(part => text.includes(part)).map(part => `may not contain '${part}'`),
]

function validateRule({ verbs, apiGroups, resources, nonResourceURLs }: PolicyRule, isNamespaced: boolean, field: string): FieldProblem[] {
  const problems: FieldProblem[] = verbs?.length ? [] : [required(`${field}.verbs`, 'verbs must contain at least one value')]
  if (nonResourceURLs?.length) {
    if (isNamespaced)
      problems.push({
        reason: 'FieldValueInvalid',
        field: `${field}.nonResourceURLs`,
        message: `Invalid value: ${JSON.stringify(nonResourceURLs)}: namespaced rules cannot apply to non-resource URLs`,
      })
    if (apiGroups?.length || resources?.length) {
      problems.push({
        reason: 'FieldValueInvalid',
        field: `${field}.nonResourceURLs`,
        message: `Invalid value: ${JSON.stringify(nonResourceURLs)}: rules cannot apply to both regular resources and non-resource URLs`,
      })
    }
    return problems
  }
  if (!apiGroups?.length) problems.push(required(`${field}.apiGroups`, 'resource rules must supply at least one api group'))
  if (!resources?.length) problems.push(required(`${field}.resources`, 'resource rules must supply at least one resource'))
  return problems
}

export const roleStrategy: Strategy<Role> = {
  ...plainStrategy,
  checkName: checkPathSegment,
  validate: ({ rules = [] }) => rules.flatMap((rule, i) => validateRule(rule, true, `rules[${i}]`)),
}

export const clusterRoleStrategy: Strategy<ClusterRole> = {
  ...plainStrategy,
  checkName: checkPathSegment,
  validate({ rules = [], aggregationRule }) {
    const problems = (rules ?? []).flatMap((rule, i) => validateRule(rule, false, `rules[${i}]`))
    if (!aggregationRule) return problems
    const at = 'aggregationRule.clusterRoleSelectors'
    const selectors = aggregationRule.clusterRoleSelectors ?? []
    if (selectors.length === 0) problems.push(required(at, 'at least one clusterRoleSelector required if aggregationRule is non-nil'))
    return [...problems, ...selectors.flatMap((selector, i) => validateLabelSelector(selector, `${at}[${i}]`))]
  },
}

function setBindingDefaults({ roleRef, subjects }: Draft<RoleBinding | ClusterRoleBinding>): void {
  if (roleRef) roleRef.apiGroup ||= rbacGroup
  for (const subject of subjects ?? []) {
    if (subject.apiGroup === undefined && subject.kind !== 'ServiceAccount') subject.apiGroup = rbacGroup
  }
}

function validateBinding({ roleRef, subjects = [] }: RoleBinding | ClusterRoleBinding, isNamespaced: boolean): FieldProblem[] {
  const problems: FieldProblem[] = []
  if (roleRef?.apiGroup !== rbacGroup) problems.push(notSupported('roleRef.apiGroup', roleRef?.apiGroup ?? '', [rbacGroup]))
  const kinds = isNamespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']
  if (!kinds.includes(roleRef?.kind ?? '')) problems.push(notSupported('roleRef.kind', roleRef?.kind ?? '', kinds))
  if (!roleRef?.name) problems.push(required('roleRef.name'))
  else problems.push(...invalidAll('roleRef.name', roleRef.name, checkPathSegment(roleRef.name)))
  subjects.forEach(({ kind, name, namespace, apiGroup = '' }, i) => {
    const at = `subjects[${i}]`
    if (!name) problems.push(required(`${at}.name`))
    if (kind === 'ServiceAccount') {
      if (name) problems.push(...invalidAll(`${at}.name`, name, checkDnsSubdomain(name)))
      if (apiGroup !== '') problems.push(notSupported(`${at}.apiGroup`, apiGroup, ['']))
      if (!namespace) problems.push(required(`${at}.namespace`))
    } else if (kind === 'User' || kind === 'Group') {
      if (apiGroup !== rbacGroup) problems.push(notSupported(`${at}.apiGroup`, apiGroup, [rbacGroup]))
    } else problems.push(notSupported(`${at}.kind`, kind ?? '', ['ServiceAccount', 'User', 'Group']))
  })
  return problems
}

const validateRoleRef = (binding: RoleBinding | ClusterRoleBinding, previous: RoleBinding | ClusterRoleBinding): FieldProblem[] =>
  validateImmutable(binding.roleRef, previous.roleRef, 'roleRef').map(problem => ({
    ...problem,
    message: problem.message.replace('field is immutable', 'cannot change roleRef'),
  }))

export const roleBindingStrategy: Strategy<RoleBinding> = {
  ...plainStrategy,
  checkName: checkPathSegment,
  setDefaults: setBindingDefaults,
  validate: binding => validateBinding(binding, true),
  validateUpdate: validateRoleRef,
}

export const clusterRoleBindingStrategy: Strategy<ClusterRoleBinding> = {
  ...plainStrategy,
  checkName: checkPathSegment,
  setDefaults: setBindingDefaults,
  validate: binding => validateBinding(binding, false),
  validateUpdate: validateRoleRef,
}
