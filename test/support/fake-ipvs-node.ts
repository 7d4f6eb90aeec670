import { createFakeIpset } from '../../src/kernel/fake-ipset.js'
import { fakeIptables } from '../../src/kernel/fake-iptables.js'
import { createFakeIpvs } from '../../src/kernel/fake-ipvs.js'
import { createFakeRtnetlink } from '../../src/kernel/fake-rtnetlink.js'
import { createFakeSysctls } from '../../src/kernel/fake-sysctls.js'
import type { IpvsProxyParts } from '../../src/proxy-ipvs/backend.js'

const parameters = [
  'vs/conntrack',
  'vs/expire_nodest_conn',
  'vs/expire_quiescent_template',
  'ip_forward',
  'conf/all/arp_ignore',
  'conf/all/arp_announce',
]

/** A node in memory with `172.30.0.11` on its uplink, and the parts of proxy ipvs on it. */
export function fakeIpvsNode(schedulers?: readonly string[]) {
  const ipvs = createFakeIpvs(schedulers)
  const iptables = fakeIptables()
  const rules = () => [...iptables.table('nat').values(), ...iptables.table('filter').values()].flat()
  const ipset = createFakeIpset(name => rules().some(rule => rule.includes(` --match-set ${name} `)))
  const rtnetlink = createFakeRtnetlink()
  rtnetlink.addBridge({ name: 'eth0', mtu: 1500 })
  rtnetlink.addAddress({ link: rtnetlink.link('eth0')!.index, cidr: '172.30.0.11/24' })
  rtnetlink.addAddress({ link: rtnetlink.link('lo')!.index, cidr: '127.0.0.1/8' })
  const sysctls = createFakeSysctls(Object.fromEntries(parameters.map(name => [`net/ipv4/${name}`, '0'])))
  const parts: IpvsProxyParts = { openIpvs: () => ipvs, ipset, iptables, rtnetlink, sysctls }
  return { parts, ipvs, iptables, ipset, rtnetlink, sysctls }
}
