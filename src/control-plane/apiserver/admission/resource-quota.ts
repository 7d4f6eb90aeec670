import { resourcequotas } from '../../../api/generated/resources.js'
import type { Pod, ResourceQuota } from '../../../api/generated/types.js'
import { type Nanos, parseQuantity } from '../../../api/quantity.js'
import { quotaCovers, quotaText, type Usage, unspecified, usageOf } from '../../../api/quota-usage.js'
import type { Commit } from '../../store/store.js'
import type { PolicyObjects } from '../authorization/policy-objects.js'
import { type AdmissionPlugin, type AdmissionRequest, refused } from './admission-plugin.js'

/** Objects that may come to use more in their life. */
const growing = new Set(['services', 'persistentvolumeclaims'])

/**
 * Refuses what is beyond the namespace's quotas, and counts what is not. The count is committed together with the object: two requests
 * cannot both take the last of a quota, on one server or on several. A controller corrects it when objects go.
 */
export function resourceQuotaPlugin(objects: Pick<PolicyObjects, 'list' | 'replacing'>): AdmissionPlugin {
  return {
    name: 'ResourceQuota',
    validate(request) {
      const { operation, resource, subresource, object, previous } = request
      const isCounted = operation === 'CREATE' || (operation === 'UPDATE' && resource.group === '' && growing.has(resource.resource))
      if (!resource.namespaced || subresource !== '' || !isCounted) return undefined
      const quotas = objects.list(resourcequotas, object.metadata.namespace ?? '').filter(quota => quotaCovers(quota, resource, object))
      if (quotas.length === 0) return undefined
      const after = usageOf(resource, object)
      const before = previous ? usageOf(resource, previous) : {}
      const commits = quotas.flatMap(quota => count(request, quota, { after, before }) ?? [])
      return { expect: commits.flatMap(({ expect }) => expect), changes: commits.flatMap(({ changes }) => changes) }
    },
  }

  function count(request: AdmissionRequest, quota: ResourceQuota, { after, before }: { after: Usage; before: Usage }): Commit | undefined {
    const name = quota.metadata?.name ?? ''
    const hard = quota.spec?.hard ?? {}
    if (request.resource.group === '' && request.resource.resource === 'pods' && request.operation === 'CREATE') {
      const missing = unspecified(quota, request.object as Pod)
      if (missing !== undefined) throw refused(request, `failed quota: ${name}: must specify ${missing}`)
    }
    const more = Object.keys(hard)
      .toSorted()
      .map(key => ({ key, limit: hard[key]!, amount: (after[key] ?? 0n) - (before[key] ?? 0n) }))
      .filter(({ amount }) => amount > 0n)
      .map(entry => ({ ...entry, used: usedOf(request, quota, entry.key) }))
    if (more.length === 0) return undefined
    const beyond = more.filter(({ used, amount, limit }) => used + amount > parseQuantity(limit))
    if (beyond.length > 0) {
      const text = (amountOf: (entry: (typeof beyond)[number]) => string): string =>
        beyond.map(entry => `${entry.key}=${amountOf(entry)}`).join(',')
      const requested = text(({ amount, limit }) => quotaText(amount, limit))
      const used = text(entry => quotaText(entry.used, entry.limit))
      throw refused(request, `exceeded quota: ${name}, requested: ${requested}, used: ${used}, limited: ${text(({ limit }) => limit)}`)
    }
    const counted = Object.fromEntries(more.map(({ key, used, amount, limit }) => [key, quotaText(used + amount, limit)]))
    return objects.replacing(resourcequotas, { ...quota, status: { ...quota.status, hard, used: { ...quota.status?.used, ...counted } } })
  }

  /** What the quota's status says, or all that is there when nobody has counted yet. */
  function usedOf({ resource, object }: AdmissionRequest, quota: ResourceQuota, key: string): Nanos {
    const known = quota.status?.used?.[key]
    if (known !== undefined) return parseQuantity(known)
    return objects
      .list(resource, object.metadata.namespace ?? '')
      .filter(other => other.metadata?.name !== object.metadata.name && quotaCovers(quota, resource, other))
      .reduce((sum, other) => sum + (usageOf(resource, other)[key] ?? 0n), 0n)
  }
}
