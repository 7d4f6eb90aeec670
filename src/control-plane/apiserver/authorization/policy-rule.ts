import type { PolicyRule } from '../../../api/generated/types.js'
import type { Attributes } from './attributes.js'

const all = '*'

/** True when one rule of a role allows the request. Source: Kubernetes documentation, Using RBAC Authorization. */
export function ruleAllows(rule: PolicyRule, { verb, resource, path }: Attributes): boolean {
  if (!has(rule.verbs, verb)) return false
  if (!resource) return (rule.nonResourceURLs ?? []).some(pattern => coversPath(pattern, path))
  return (
    has(rule.apiGroups, resource.group) &&
    (rule.resources ?? []).some(pattern => coversResource(pattern, resource.resource, resource.subresource)) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(resource.name))
  )
}

const has = (values: readonly string[] | undefined, wanted: string): boolean =>
  values !== undefined && (values.includes(all) || values.includes(wanted))

/** `pods/log` covers that alone, `*` everything, `*` with a subresource that of all resources. */
function coversResource(pattern: string, resource: string, subresource: string): boolean {
  if (pattern === all) return true
  const wanted = subresource === '' ? resource : `${resource}/${subresource}`
  return pattern === wanted || (subresource !== '' && pattern === `${all}/${subresource}`)
}

const coversPath = (pattern: string, path: string): boolean =>
  pattern === all || pattern === path || (pattern.endsWith(all) && path.startsWith(pattern.slice(0, -1)))

/**
 * What of `wanted` no rule of `owned` covers, in rules of one verb, one group, one resource or path and one name each: nobody may grant
 * what they have not.
 */
export function uncoveredRules(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): readonly PolicyRule[] {
  return wanted.flatMap(singleRules).filter(single => !owned.some(rule => covers(rule, single)))
}

function singleRules({ verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }: PolicyRule): PolicyRule[] {
  const names = resourceNames.length === 0 ? [undefined] : resourceNames
  const ofResources = apiGroups.flatMap(group =>
    resources.flatMap(resource =>
      names.flatMap(name =>
        verbs.map(verb => ({
          verbs: [verb],
          apiGroups: [group],
          resources: [resource],
          ...(name !== undefined && { resourceNames: [name] }),
        })),
      ),
    ),
  )
  return [...ofResources, ...nonResourceURLs.flatMap(url => verbs.map(verb => ({ verbs: [verb], nonResourceURLs: [url] })))]
}

/** True when `rule` allows all that the single rule allows. */
function covers(rule: PolicyRule, single: PolicyRule): boolean {
  if (!has(rule.verbs, single.verbs[0]!)) return false
  const [url] = single.nonResourceURLs ?? []
  if (url !== undefined) return (rule.nonResourceURLs ?? []).some(pattern => coversPath(pattern, url))
  const [wanted = ''] = single.resources ?? []
  const [resource = '', subresource = ''] = wanted.split('/')
  const [name] = single.resourceNames ?? []
  return (
    has(rule.apiGroups, single.apiGroups?.[0] ?? '') &&
    (rule.resources ?? []).some(pattern => coversResource(pattern, resource, subresource)) &&
    (!rule.resourceNames?.length || (name !== undefined && rule.resourceNames.includes(name)))
  )
}

/** A rule as upstream prints it in refusals: Go's form of the struct, without what is empty. */
export function ruleText(rule: PolicyRule): string {
  const fields = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ] as const
  const shown = fields
    .filter(([, values]) => values?.length)
    .map(([name, values]) => `${name}:${JSON.stringify(values).replaceAll(',', ', ')}`)
  return `{${shown.join(', ')}}`
}
