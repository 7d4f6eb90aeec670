import type { Conntrack } from '../kernel/conntrack.js'
import type { Nftables } from '../kernel/nftables.js'
import { parseNftTable } from '../kernel/parse-nft-table.js'
import type { Backend } from '../reconcile/backend.js'
import type { NodeFacts, ServiceState } from '../service-model/service-state.js'
import { staleUdpFlows } from '../service-model/stale-udp-flows.js'
import { tableOf } from './object-names.js'
import { type AppliedNftables, type NftablesPlan, planNftables } from './plan.js'

export interface NftablesProxyOptions {
  readonly nftables: Nftables
  /** With it, UDP flows that would go on to an endpoint that is gone are cut off after the table is in place. */
  readonly conntrack?: Conntrack
  readonly family?: NodeFacts['family']
}

/** Services as one nf_tables table, with kube-proxy's name and meaning. Desired `undefined` removes it. */
export function nftablesProxy(options: NftablesProxyOptions): Backend<ServiceState | undefined, AppliedNftables, NftablesPlan> {
  const { nftables, conntrack, family = 4 } = options
  const table = tableOf({ family })
  return {
    name: 'nftables',

    async observe(signal) {
      const listed = await nftables.list(table, signal)
      return { kind: 'observed', content: listed === undefined ? undefined : parseNftTable(listed) }
    },

    plan: (desired, applied) => planNftables(desired, applied, table),

    async apply({ transaction, cutsUdp, desired }, signal) {
      if (transaction !== '') await nftables.apply(transaction, signal)
      if (conntrack !== undefined && cutsUdp && desired !== undefined) {
        for (const flow of staleUdpFlows(desired, await conntrack.list('udp', signal))) await conntrack.delete(flow, signal)
      }
      return desired === undefined ? { kind: 'observed', content: undefined } : { kind: 'written', state: desired }
    },
  }
}
