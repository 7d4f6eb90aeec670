import { duplicate, type FieldProblem, forbidden, invalid, required } from '../field-problem.js'
import { namedBy, oneOf } from '../field-rules.js'
import type { LimitRange, LimitRangeItem, PriorityClass, ResourceQuota, RuntimeClass } from '../generated/types.js'
import { checkDnsLabel } from '../name-format.js'
import { compareQuantities } from '../quantity.js'
import type { Strategy } from '../resource-type.js'
import { validateImmutable } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'

type Amounts = Readonly<Record<string, string>>

export const limitRangeStrategy: Strategy<LimitRange> = {
  ...plainStrategy,
  setDefaults({ spec }) {
    for (const item of spec?.limits ?? []) {
      if (item.type !== 'Container') continue
      // What a container may have at most is what it gets, and what it gets is what it asks for.
      item.default = { ...item.max, ...item.default }
      item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest }
      if (Object.keys(item.default).length === 0) delete item.default
      if (Object.keys(item.defaultRequest).length === 0) delete item.defaultRequest
    }
  },
  validate({ spec }) {
    const limits = spec?.limits ?? []
    const seen = new Set<string>()
    return limits.flatMap((item, i) => {
      const problems = validateLimits(item, `spec.limits[${i}]`)
      if (seen.has(item.type)) problems.push(duplicate(`spec.limits[${i}].type`, item.type))
      seen.add(item.type)
      return problems
    })
  },
}

function validateLimits(item: LimitRangeItem, field: string): FieldProblem[] {
  const { type, min = {}, max = {}, default: limit = {}, defaultRequest = {} } = item
  const problems: FieldProblem[] = type ? [] : [required(`${field}.type`)]
  if (type === 'Pod') {
    if (item.default) problems.push(forbidden(`${field}.default`, "may not be specified when `type` is 'Pod'"))
    if (item.defaultRequest) problems.push(forbidden(`${field}.defaultRequest`, "may not be specified when `type` is 'Pod'"))
  }
  if (type === 'PersistentVolumeClaim' && !min.storage && !max.storage) {
    problems.push(required(`${field}.limits`, 'either minimum or maximum storage value is required, but neither was provided'))
  }
  /** The first must not be more than the second. */
  const ordered = (low: Amounts, high: Amounts, place: string, words: readonly [string, string]): void => {
    for (const [name, amount] of Object.entries(low)) {
      const bound = high[name]
      if (bound === undefined || compareQuantities(amount, bound) <= 0) continue
      problems.push(invalid(`${field}.${place}[${name}]`, amount, `${words[0]} value ${amount} is greater than ${words[1]} value ${bound}`))
    }
  }
  ordered(min, max, 'min', ['min', 'max'])
  ordered(min, defaultRequest, 'defaultRequest', ['min', 'default request'])
  ordered(defaultRequest, max, 'defaultRequest', ['default request', 'max'])
  ordered(defaultRequest, limit, 'defaultRequest', ['default request', 'default limit'])
  ordered(limit, max, 'default', ['default', 'max'])
  return problems
}

const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
]

const standardQuotaNames = new Set([
  ...['cpu', 'memory', 'ephemeral-storage'].flatMap(name => [name, `requests.${name}`, `limits.${name}`]),
  ...['requests.storage', 'persistentvolumeclaims', 'configmaps', 'pods', 'replicationcontrollers', 'resourcequotas', 'secrets'],
  ...['services', 'services.nodeports', 'services.loadbalancers'],
])

function validateQuotaName(name: string): FieldProblem[] {
  if (name.includes('/') || standardQuotaNames.has(name) || /^(requests\.)?hugepages-/.test(name)) return []
  return ['must be a standard resource type or is fully qualified', 'must be a standard resource for quota'].map(detail =>
    invalid(`spec.hard[${name}]`, name, detail),
  )
}

export const resourceQuotaStrategy: Strategy<ResourceQuota> = {
  ...plainStrategy,
  prepareCreate(quota) {
    quota.status = {}
  },
  validate({ spec }) {
    const problems: FieldProblem[] = []
    for (const [name, amount] of Object.entries(spec?.hard ?? {})) {
      problems.push(...validateQuotaName(name))
      if (amount.startsWith('-')) problems.push(invalid(`spec.hard[${name}]`, amount, 'must be greater than or equal to 0'))
    }
    for (const scope of spec?.scopes ?? []) problems.push(...oneOf(scope, scopes, 'spec.scopes'))
    const all = new Set(spec?.scopes)
    for (const [one, other] of [
      ['BestEffort', 'NotBestEffort'],
      ['Terminating', 'NotTerminating'],
    ] as const) {
      if (all.has(one) && all.has(other)) problems.push(invalid('spec.scopes', spec?.scopes, 'conflicting scopes'))
    }
    return problems
  },
  validateUpdate: ({ spec }, { spec: previous }) =>
    JSON.stringify([...(spec?.scopes ?? [])].sort()) === JSON.stringify([...(previous?.scopes ?? [])].sort())
      ? []
      : [invalid('spec.scopes', spec?.scopes ?? [], 'field is immutable')],
}

/** Priorities above are the system's own. */
const highestUserPriority = 1_000_000_000
const systemPrefix = 'system-'
export const systemPriorityClasses: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
}

export const priorityClassStrategy: Strategy<PriorityClass> = {
  ...plainStrategy,
  hasGeneration: true,
  setDefaults(priority) {
    priority.preemptionPolicy ??= 'PreemptLowerPriority'
  },
  validate({ metadata, value = 0, preemptionPolicy }) {
    const name = metadata?.name ?? ''
    const problems = oneOf(preemptionPolicy, ['Never', 'PreemptLowerPriority'], 'preemptionPolicy')
    if (name.startsWith(systemPrefix)) {
      if (systemPriorityClasses[name] === value) return problems
      const detail = `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: ${systemPriorityClasses[name] === undefined ? `${name} is not a known system priority class` : `value of ${name} PriorityClass must be ${systemPriorityClasses[name]}`}`
      return [...problems, forbidden('metadata.name', detail)]
    }
    if (value > highestUserPriority) {
      problems.push(forbidden('value', `maximum allowed value of a user defined priority is ${highestUserPriority}`))
    }
    return problems
  },
  validateUpdate: (priority, previous) => [
    ...(priority.value === previous.value ? [] : [forbidden('value', 'may not be changed in an update.')]),
    ...validateImmutable(priority.preemptionPolicy, previous.preemptionPolicy, 'preemptionPolicy'),
  ],
}

export const runtimeClassStrategy: Strategy<RuntimeClass> = {
  ...plainStrategy,
  validate: ({ handler }) => namedBy(handler, checkDnsLabel, 'handler'),
  validateUpdate: ({ handler }, previous) => validateImmutable(handler, previous.handler, 'handler'),
}
