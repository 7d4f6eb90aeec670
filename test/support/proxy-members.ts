import { execConntrack } from '../../src/kernel/exec-conntrack.js'
import { execIptables } from '../../src/kernel/exec-iptables.js'
import { execNftables } from '../../src/kernel/exec-nftables.js'
import type { Host } from '../../src/kernel/host.js'
import type { ProxyMember } from '../../src/node/proxy/proxy-switch.js'
import { iptablesProxy } from '../../src/proxy-iptables/backend.js'
import { nftablesProxy } from '../../src/proxy-nftables/backend.js'

/** Every mode of service proxy that this kernel can do, on a host, for IPv4. */
export function proxyMembers({ run }: Pick<Host, 'run'>): readonly ProxyMember[] {
  const conntrack = execConntrack(run)
  return [
    { mode: 'iptables', family: 4, backend: iptablesProxy({ iptables: execIptables(run), conntrack }) },
    { mode: 'nftables', family: 4, backend: nftablesProxy({ nftables: execNftables(run), conntrack }) },
  ]
}
