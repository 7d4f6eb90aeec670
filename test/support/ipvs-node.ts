import { execConntrack } from '../../src/kernel/exec-conntrack.js'
import { execIpset } from '../../src/kernel/exec-ipset.js'
import { execIptables } from '../../src/kernel/exec-iptables.js'
import type { Host } from '../../src/kernel/host.js'
import { openIpvs } from '../../src/kernel/netlink-ipvs.js'
import { openRtnetlink } from '../../src/kernel/netlink-rtnetlink.js'
import { withNetns } from '../../src/kernel/netns.js'
import { kernelSysctls } from '../../src/kernel/sysctl.js'
import type { IpvsProxyParts } from '../../src/proxy-ipvs/backend.js'

/** The parts of proxy ipvs in a network namespace of the guest kernel, whose iptables is the legacy one. */
export function ipvsNode(netnsPath: string, { run }: Pick<Host, 'run'>): IpvsProxyParts {
  return {
    openIpvs: () => withNetns(netnsPath, openIpvs),
    ipset: execIpset(run),
    iptables: execIptables(run, 4, 'legacy'),
    rtnetlink: withNetns(netnsPath, openRtnetlink),
    sysctls: kernelSysctls(fn => withNetns(netnsPath, fn)),
    conntrack: execConntrack(run),
  }
}
