import type { Cidr } from '../base/net/address.js'
import type { Iptables } from '../kernel/iptables.js'

const chain = 'PODWIRE-MASQ'
const jump = `-A POSTROUTING -m comment --comment "podwire: Pod traffic that leaves the cluster" -j ${chain}`

/** The rules of our chain: this node's Pods get its address when they talk to anything that is no Pod. Multicast has no answer to bring back. */
export function planMasquerade({ nodeRange, clusterRange }: { nodeRange: Cidr; clusterRange: Cidr }, saved: string): string {
  const rules = [
    `-A ${chain} -d ${clusterRange} -j RETURN`,
    `-A ${chain} -d ${clusterRange.includes(':') ? 'ff00::/8' : '224.0.0.0/4'} -j RETURN`,
    `-A ${chain} -s ${nodeRange} -j MASQUERADE --random-fully`,
  ]
  const hasJump = saved.split('\n').some(line => line.trim() === jump)
  return ['*nat', `:${chain} - [0:0]`, ...rules, ...(hasJump ? [] : [jump]), 'COMMIT', ''].join('\n')
}

/** Makes masquerading of Pod traffic that leaves the cluster so, whatever was before. Rules of others are left alone. */
export async function ensureMasquerade(
  iptables: Iptables,
  ranges: { readonly nodeRange: Cidr; readonly clusterRange: Cidr },
  signal: AbortSignal,
): Promise<void> {
  await iptables.restore(planMasquerade(ranges, await iptables.save('nat', signal)), signal)
}
