import type { ApiResource } from '../../api/api-resource.js'
import { resourcequotas } from '../../api/generated/resources.js'
import type { ResourceQuota } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { countedBy, quotaCovers, quotaText, usageOf } from '../../api/quota-usage.js'
import { resourceTable } from '../../api/resource-table.js'
import type { ApiObject } from '../../client/client.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import type { Collection } from './collections.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

interface Parts extends ControllerParts {
  readonly quotas: Informer<ResourceQuota>
  /** What is followed anyway; anything else is listed when a quota counts it. */
  readonly collections: readonly Collection[]
}

/** What nobody follows is counted again so often. */
const recountMs = 30_000

/** Keeps in each ResourceQuota's status what its namespace uses; admission has counted what came, this sees what went. */
export function resourceQuotaController(parts: Parts): Controller {
  const { client, quotas, collections } = parts

  async function objectsOf(
    wanted: Pick<ApiResource, 'group' | 'resource'>,
    namespace: string,
    signal: AbortSignal,
  ): Promise<readonly ApiObject[]> {
    const followed = collections.find(({ resource }) => resource.resource === wanted.resource && resource.group === wanted.group)
    if (followed) return followed.informer.list().filter(({ metadata }) => metadata?.namespace === namespace)
    const row = resourceTable.find(({ resource, group }) => resource === wanted.resource && group === wanted.group)
    return row?.namespaced ? (await client.list(row as ApiResource<ApiObject>, { namespace }, signal)).items : []
  }

  async function usedBy(quota: ResourceQuota, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const used: Record<string, string> = {}
    for (const [name, limit] of Object.entries(quota.spec?.hard ?? {})) {
      const counted = countedBy(name)
      const all = await objectsOf(counted, quota.metadata?.namespace ?? '', signal)
      const sum = all
        .filter(object => quotaCovers(quota, counted, object))
        .reduce((total, object) => total + (usageOf(counted, object)[name] ?? 0n), 0n)
      used[name] = quotaText(sum, limit)
    }
    return used
  }

  return keyedController({
    name: 'resource-quota',
    parts,
    reads: [quotas, ...collections.map(({ informer }) => informer)],
    workers: 1,
    watch(queue) {
      onObjectChange(quotas, (_before, after) => after && queue.add(keyOfObject(after)))
      for (const { informer } of collections) {
        onObjectChange(informer, (before, after) => {
          const namespace = (after ?? before)?.metadata?.namespace
          for (const quota of quotas.list()) if (quota.metadata?.namespace === namespace) queue.add(keyOfObject(quota))
        })
      }
    },
    async reconcile(key, queue, signal) {
      const quota = quotas.get(key)
      if (!quota) return
      const hard = quota.spec?.hard ?? {}
      const isFollowed = (name: string): boolean => collections.some(({ resource }) => resource.resource === countedBy(name).resource)
      if (!Object.keys(hard).every(isFollowed)) queue.addAfter(key, recountMs)
      const status = { hard, used: await usedBy(quota, signal) }
      if (!jsonEqual(status, quota.status)) await client.updateStatus(resourcequotas, { ...quota, status }, signal)
    },
  })
}
