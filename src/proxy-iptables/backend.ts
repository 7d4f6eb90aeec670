import type { Conntrack } from '../kernel/conntrack.js'
import type { Iptables } from '../kernel/iptables.js'
import type { Backend } from '../reconcile/backend.js'
import type { ServiceState } from '../service-model/service-state.js'
import { staleUdpFlows } from '../service-model/stale-udp-flows.js'
import { parseOurRules } from './observe.js'
import { type AppliedIptables, type IptablesPlan, legacySections, nftSections, planIptables } from './plan.js'
import { canaryChain } from './render-base.js'
import { noRules, tables } from './ruleset.js'

export interface IptablesProxyOptions {
  readonly iptables: Iptables
  /** With it, UDP flows that would go on to an endpoint that is gone are cut off after the rules are in place. */
  readonly conntrack?: Conntrack
  /** Which of the kernel's two implementations `iptables` is; they want texts cut differently. */
  readonly variant?: 'nft' | 'legacy'
  /** Sets a kernel parameter of this node, as `net/ipv4/ip_forward`. Without it NodePorts on 127.0.0.1 need `route_localnet` set by others. */
  readonly ensureSysctl?: (key: string, value: string) => void
}

/** Services as iptables rules, with kube-proxy's chains and names. Desired `undefined` removes all of it. */
export function iptablesProxy(options: IptablesProxyOptions): Backend<ServiceState | undefined, AppliedIptables, IptablesPlan> {
  const { iptables, conntrack, variant = 'nft', ensureSysctl } = options
  const sections = variant === 'nft' ? nftSections : legacySections
  return {
    name: 'iptables',

    async observe(signal) {
      const [nat, filter, mangle] = await Promise.all(tables.map(async table => parseOurRules(table, await iptables.save(table, signal))))
      return { kind: 'observed', rules: { nat: nat!, filter: filter!, mangle: mangle! } }
    },

    plan: (desired, applied) => planIptables(desired, applied, sections),

    async apply({ restores, cutsUdp, desired }, signal) {
      for (const text of restores) await iptables.restore(text, signal)
      // After the rule that keeps others' packets from 127.0.0.1 is in place.
      if (desired?.node.localhostNodePorts && restores.length > 0) ensureSysctl?.('net/ipv4/conf/all/route_localnet', '1')
      if (conntrack !== undefined && cutsUdp && desired !== undefined) {
        for (const flow of staleUdpFlows(desired, await conntrack.list('udp', signal))) await conntrack.delete(flow, signal)
      }
      return desired === undefined ? { kind: 'observed', rules: noRules } : { kind: 'written', state: desired }
    },
  }
}

/** Whether our rules are still there, seen by one empty chain a table; others empty whole tables at times (`iptables -F`, firewall managers). */
export async function hasCanaries(iptables: Iptables, signal: AbortSignal): Promise<boolean> {
  for (const table of tables) if (!(await iptables.hasChain(table, canaryChain, signal))) return false
  return true
}
