import type { PersistentVolumeClaim, Pod, ResourceQuota, ResourceRequirements, Service } from './generated/types.js'
import { canonicalQuantity, type Nanos, parseQuantity } from './quantity.js'
import type { KubeObject } from './resource-type.js'

/** Names a resource whose objects are counted. */
interface Counted {
  readonly group: string
  readonly resource: string
}

/** What something counts for, by the names that quotas use. */
export type Usage = Readonly<Record<string, Nanos>>

const one: Nanos = 1_000_000_000n
const storageClassMark = '.storageclass.storage.k8s.io/'
/** Counted under their plain names as well: from before there was `count/`. */
const plainlyCounted = new Set(['configmaps', 'secrets', 'replicationcontrollers', 'resourcequotas', 'services', 'persistentvolumeclaims'])

const countName = ({ group, resource }: Counted): string => `count/${resource}${group === '' ? '' : `.${group}`}`

/** All that one object counts for. Source: Kubernetes documentation, Resource Quotas. */
export function usageOf(counted: Counted, object: KubeObject): Usage {
  const { group, resource } = counted
  const count: Record<string, Nanos> = { [countName(counted)]: one }
  if (group !== '') return count
  if (plainlyCounted.has(resource)) count[resource] = one
  switch (resource) {
    case 'pods':
      return { ...count, ...podUsage(object as Pod) }
    case 'services':
      return { ...count, ...serviceUsage(object as Service) }
    case 'persistentvolumeclaims':
      return { ...count, ...claimUsage(object as PersistentVolumeClaim) }
    default:
      return count
  }
}

/** The resource that a name in a quota counts. */
export function countedBy(name: string): Counted {
  if (name.startsWith('count/')) {
    const [resource = '', ...group] = name.slice('count/'.length).split('.')
    return { resource, group: group.join('.') }
  }
  if (name === 'requests.storage' || name.includes(storageClassMark)) return { group: '', resource: 'persistentvolumeclaims' }
  const [first = ''] = name.split('.')
  return { group: '', resource: plainlyCounted.has(first) ? first : 'pods' }
}

function podUsage({ spec, status }: Pod): Usage {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return {}
  const usage: Record<string, Nanos> = { pods: one }
  for (const [name, amount] of Object.entries(wholePod(spec, 'requests'))) {
    usage[`requests.${name}`] = amount
    if (isBasic(name)) usage[name] = amount
  }
  for (const [name, amount] of Object.entries(wholePod(spec, 'limits'))) if (isBasic(name)) usage[`limits.${name}`] = amount
  return usage
}

const isBasic = (name: string): boolean => ['cpu', 'memory', 'ephemeral-storage'].includes(name) || name.startsWith('hugepages-')

/** All containers together, or the largest init container where that is more, and what the Pod costs besides. */
function wholePod(spec: Pod['spec'], field: 'requests' | 'limits'): Usage {
  const total: Record<string, Nanos> = {}
  const each = (containers: readonly { readonly resources?: ResourceRequirements }[] = [], join: (a: Nanos, b: Nanos) => Nanos): void => {
    for (const { resources } of containers) {
      for (const [name, amount] of Object.entries(resources?.[field] ?? {})) total[name] = join(total[name] ?? 0n, parseQuantity(amount))
    }
  }
  const sum = (a: Nanos, b: Nanos): Nanos => a + b
  each(spec?.containers, sum)
  each(spec?.initContainers, larger)
  for (const [name, amount] of Object.entries(spec?.overhead ?? {})) {
    if (field === 'requests' || total[name] !== undefined) total[name] = (total[name] ?? 0n) + parseQuantity(amount)
  }
  return total
}

/** Math.max takes no bigint. */
function larger(a: Nanos, b: Nanos): Nanos {
  if (a > b) return a
  return b
}

function serviceUsage({ spec }: Service): Usage {
  const ports = BigInt(spec?.ports?.length ?? 0) * one
  switch (spec?.type) {
    case 'NodePort':
      return { 'services.nodeports': ports }
    case 'LoadBalancer':
      return { 'services.loadbalancers': one, 'services.nodeports': spec.allocateLoadBalancerNodePorts === false ? 0n : ports }
    default:
      return {}
  }
}

function claimUsage({ spec }: PersistentVolumeClaim): Usage {
  const storage = parseQuantity(spec?.resources?.requests?.storage ?? 0)
  const ofClass = spec?.storageClassName
    ? {
        [`${spec.storageClassName}${storageClassMark}requests.storage`]: storage,
        [`${spec.storageClassName}${storageClassMark}persistentvolumeclaims`]: one,
      }
    : {}
  return { 'requests.storage': storage, ...ofClass }
}

/** True when the scopes of a quota hold for the object; a quota with scopes is about Pods alone. */
export function quotaCovers({ spec }: ResourceQuota, { group, resource }: Counted, object: KubeObject): boolean {
  const scopes = (spec?.scopes ?? []).map(scopeName => ({ scopeName, operator: 'Exists', values: [] as readonly string[] }))
  const selected = (spec?.scopeSelector?.matchExpressions ?? []).map(({ scopeName, operator, values = [] }) => ({
    scopeName,
    operator,
    values,
  }))
  const all = [...scopes, ...selected]
  if (all.length === 0) return true
  if (group !== '' || resource !== 'pods') return false
  return all.every(({ scopeName, operator, values }) => holds(object as Pod, scopeName, operator, values))
}

function holds({ spec }: Pod, scope: string, operator: string, values: readonly string[]): boolean {
  const hasDeadline = spec?.activeDeadlineSeconds !== undefined
  switch (scope) {
    case 'Terminating':
      return hasDeadline
    case 'NotTerminating':
      return !hasDeadline
    case 'BestEffort':
      return isBestEffort(spec)
    case 'NotBestEffort':
      return !isBestEffort(spec)
    case 'PriorityClass':
      return hasClass(spec?.priorityClassName ?? '', operator, values)
    case 'CrossNamespacePodAffinity':
      return reachesOut(spec)
    default:
      return false
  }
}

function hasClass(name: string, operator: string, values: readonly string[]): boolean {
  switch (operator) {
    case 'In':
      return values.includes(name)
    case 'NotIn':
      return !values.includes(name)
    case 'DoesNotExist':
      return name === ''
    default:
      return name !== ''
  }
}

function isBestEffort(spec: Pod['spec']): boolean {
  const amounts = (['requests', 'limits'] as const).map(field => wholePod(spec, field))
  return amounts.every(usage => !usage.cpu && !usage.memory)
}

function reachesOut(spec: Pod['spec']): boolean {
  const { podAffinity, podAntiAffinity } = spec?.affinity ?? {}
  const terms = [podAffinity, podAntiAffinity].flatMap(affinity => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ])
  return terms.some(({ namespaces, namespaceSelector }) => Boolean(namespaces?.length) || namespaceSelector !== undefined)
}

/**
 * What a Pod must say, since the quota counts it and nothing else would; undefined when it says all. In upstream's form: the amounts, each
 * with the containers that lack it.
 */
export function unspecified({ spec: quota }: ResourceQuota, { spec }: Pod): string | undefined {
  const counted = Object.keys(quota?.hard ?? {}).filter(name => /^((requests|limits)\.)?(cpu|memory)$/.test(name))
  const missing = counted.toSorted().flatMap(name => {
    const field = name.startsWith('limits.') ? 'limits' : 'requests'
    const amount = name.replace(/^(requests|limits)\./, '')
    const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
    const silent = containers.filter(({ resources }) => resources?.[field]?.[amount] === undefined).map(container => container.name)
    return silent.length === 0 ? [] : [`${name} for: ${silent.toSorted().join(',')}`]
  })
  return missing.length === 0 ? undefined : missing.join('; ')
}

/** An amount as a quota's status shows it: in powers of two where the limit is given so. */
export function quotaText(amount: Nanos, limit: string): string {
  const isBinary = /i$/.test(limit) && amount % (1024n * one) === 0n && amount !== 0n
  return isBinary ? canonicalQuantity(`${amount / one / 1024n}Ki`) : canonicalQuantity(`${amount}n`)
}
