import type { ApiResource } from '../../api/api-resource.js'
import { resourcequotas } from '../../api/generated/resources.js'
import type { ResourceQuota } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { countedBy, quotaCovers, quotaText, usageOf } from '../../api/quota-usage.js'
import type { ApiObject } from '../../client/client.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import type { Collections } from './collections.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

interface Parts extends ControllerParts {
  readonly quotas: Informer<ResourceQuota>
  readonly collections: Collections
}

/** Keeps in each ResourceQuota's status what its namespace uses; admission has counted what came, this sees what went. */
export function resourceQuotaController(parts: Parts): Controller {
  const { client, quotas, collections } = parts

  function objectsOf(wanted: Pick<ApiResource, 'group' | 'resource'>, namespace: string): readonly ApiObject[] {
    const followed = collections.all().find(({ resource }) => resource.resource === wanted.resource && resource.group === wanted.group)
    return followed?.informer.list().filter(({ metadata }) => metadata?.namespace === namespace) ?? []
  }

  function usedBy(quota: ResourceQuota): Readonly<Record<string, string>> {
    const used: Record<string, string> = {}
    for (const [name, limit] of Object.entries(quota.spec?.hard ?? {})) {
      const counted = countedBy(name)
      const sum = objectsOf(counted, quota.metadata?.namespace ?? '')
        .filter(object => quotaCovers(quota, counted, object))
        .reduce((total, object) => total + (usageOf(counted, object)[name] ?? 0n), 0n)
      used[name] = quotaText(sum, limit)
    }
    return used
  }

  return keyedController({
    name: 'resource-quota',
    parts,
    reads: [quotas, ...collections.builtIn.map(({ informer }) => informer)],
    workers: 1,
    watch(queue) {
      onObjectChange(quotas, (_before, after) => after && queue.add(keyOfObject(after)))
      collections.onFollow(({ informer }) => {
        onObjectChange(informer, (before, after) => {
          const namespace = (after ?? before)?.metadata?.namespace
          for (const quota of quotas.list()) if (quota.metadata?.namespace === namespace) queue.add(keyOfObject(quota))
        })
      })
    },
    async reconcile(key, _queue, signal) {
      const quota = quotas.get(key)
      if (!quota) return
      const hard = quota.spec?.hard ?? {}
      const status = { hard, used: usedBy(quota) }
      if (!jsonEqual(status, quota.status)) await client.updateStatus(resourcequotas, { ...quota, status }, signal)
    },
  })
}
