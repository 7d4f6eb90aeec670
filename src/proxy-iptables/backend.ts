import type { Conntrack } from '../kernel/conntrack.js'
import type { Iptables } from '../kernel/iptables.js'
import type { Backend } from '../reconcile/backend.js'
import type { ServiceState } from '../service-model/service-state.js'
import { staleUdpFlows } from '../service-model/stale-udp-flows.js'
import { parseOurRules } from './observe.js'
import { type AppliedIptables, type IptablesPlan, planIptables } from './plan.js'
import { noRules } from './ruleset.js'

/**
 * Services as iptables rules, with kube-proxy's chains and names. Desired `undefined` removes all of it.
 *
 * With `conntrack`, UDP flows that would go on to an endpoint that is gone are cut off after the rules are in place.
 */
export function iptablesProxy(iptables: Iptables, conntrack?: Conntrack): Backend<ServiceState | undefined, AppliedIptables, IptablesPlan> {
  return {
    name: 'iptables',

    async observe(signal) {
      const nat = parseOurRules('nat', await iptables.save('nat', signal))
      const filter = parseOurRules('filter', await iptables.save('filter', signal))
      return { kind: 'observed', rules: { nat, filter } }
    },

    plan: planIptables,

    async apply({ restores, cutsUdp, desired }, signal) {
      for (const text of restores) await iptables.restore(text, signal)
      if (conntrack !== undefined && cutsUdp && desired !== undefined) {
        for (const flow of staleUdpFlows(desired, await conntrack.list('udp', signal))) await conntrack.delete(flow, signal)
      }
      return desired === undefined ? { kind: 'observed', rules: noRules } : { kind: 'written', state: desired }
    },
  }
}
