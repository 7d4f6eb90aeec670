import { clusterroles } from '../../api/generated/resources.js'
import type { ClusterRole, PolicyRule } from '../../api/generated/types.js'
import { jsonEqual } from '../../api/json.js'
import { selectorMatches } from '../../api/selector.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { keyOfObject } from '../../client/http-informer.js'
import type { Informer } from '../../client/informer.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'

interface Parts extends ControllerParts {
  readonly clusterRoles: Informer<ClusterRole>
}

/** Keeps the rules of ClusterRoles with an aggregationRule at what the roles that it selects have. */
export function clusterRoleAggregationController(parts: Parts): Controller {
  const { client, clusterRoles } = parts
  return keyedController({
    name: 'cluster-role-aggregation',
    parts,
    reads: [clusterRoles],
    workers: 1,
    watch(queue) {
      // Any role may be one that others gather.
      clusterRoles.onChange(() => {
        for (const role of clusterRoles.list()) if (role.aggregationRule) queue.add(keyOfObject(role))
      })
    },
    async reconcile(key, _queue, signal) {
      const role = clusterRoles.get(key)
      if (!role?.aggregationRule) return
      const rules = aggregatedRules(role, clusterRoles.list())
      if (jsonEqual(rules, role.rules ?? [])) return
      try {
        await client.patch(clusterroles, { name: key }, { rules }, { type: 'merge' }, signal)
      } catch (error) {
        if (!isPodwireError(error, 'NOT_FOUND')) throw error
      }
    },
  })
}

/** The rules of all roles that `role` selects, each rule once, in the order of the roles' names. */
export function aggregatedRules({ metadata, aggregationRule }: ClusterRole, all: readonly ClusterRole[]): readonly PolicyRule[] {
  const selectors = aggregationRule?.clusterRoleSelectors ?? []
  const chosen = all
    .filter(
      other => other.metadata?.name !== metadata?.name && selectors.some(selector => selectorMatches(selector, other.metadata?.labels)),
    )
    .toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1))
  const rules: PolicyRule[] = []
  for (const rule of chosen.flatMap(other => other.rules ?? [])) if (!rules.some(known => jsonEqual(known, rule))) rules.push(rule)
  return rules
}
