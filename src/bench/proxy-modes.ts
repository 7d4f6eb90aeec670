import { execIptables, type IptablesVariant } from '../kernel/exec-iptables.js'
import { execNftables } from '../kernel/exec-nftables.js'
import type { Host } from '../kernel/host.js'
import { iptablesProxy } from '../proxy-iptables/backend.js'
import { nftablesProxy } from '../proxy-nftables/backend.js'
import type { Backend } from '../reconcile/backend.js'
import type { ServiceState } from '../service-model/service-state.js'
import { kubeProxyShape } from './kube-proxy-shape.js'

/** The rules of one mode on one node. */
export interface ModeRules {
  /** Brings the kernel from what was last synced to `state`. */
  sync(state: ServiceState, signal: AbortSignal): Promise<void>
  /** Takes all of it away; the next sync is a full one. */
  clear(signal: AbortSignal): Promise<void>
}

/** What a mode's rules are made by, in the namespaces that `run` acts in. */
export const proxyModes: Readonly<Record<string, (run: Host['run']) => ModeRules>> = {
  iptables: run => iptablesRules(run, 'nft'),
  'iptables-legacy': run => iptablesRules(run, 'legacy'),
  nftables: run => rulesOf(nftablesProxy({ nftables: execNftables(run) })),
  "kube-proxy's nftables": kubeProxyRules,
}

/** Modes that no arm measures here, and why. */
export const missingModes = [
  { arm: 'ipvs', why: 'its packets take another way, to the node itself; it is not measured yet' },
  { arm: 'ebpf', why: 'podwire has no such mode yet' },
]

const iptablesRules = (run: Host['run'], variant: IptablesVariant): ModeRules =>
  rulesOf(iptablesProxy({ iptables: execIptables(run, 4, variant), variant }))

function rulesOf<Applied, Plan>(backend: Backend<ServiceState | undefined, Applied, Plan>): ModeRules {
  let applied: Applied | undefined
  const to = async (state: ServiceState | undefined, signal: AbortSignal): Promise<void> => {
    applied = await backend.apply(backend.plan(state, applied ?? (await backend.observe(signal))), signal)
  }
  return { sync: to, clear: signal => to(undefined, signal) }
}

/** As it is loaded by `nft -f`: all of it at once, whatever changed. */
function kubeProxyRules(run: Host['run']): ModeRules {
  const nftables = execNftables(run)
  return {
    sync: (state, signal) => nftables.apply(kubeProxyShape(state), signal),
    clear: signal => nftables.apply('delete table ip kube-proxy\n', signal),
  }
}
