import type { IpFamily } from '../base/net/address.js'

/** The dummy device that holds the addresses of Services, so that the kernel takes packets to them for its own and IPVS sees them. */
export const serviceDevice = 'kube-ipvs0'

/** The IP sets, by what stands after `KUBE-` in their names; names and types are kube-proxy's. */
export const setTypes = {
  'LOOP-BACK': 'hash:ip,port,ip',
  'CLUSTER-IP': 'hash:ip,port',
  'EXTERNAL-IP': 'hash:ip,port',
  'EXTERNAL-IP-LOCAL': 'hash:ip,port',
  'LOAD-BALANCER': 'hash:ip,port',
  'LOAD-BALANCER-LOCAL': 'hash:ip,port',
  'LOAD-BALANCER-SOURCE-IP': 'hash:ip,port,ip',
  'LOAD-BALANCER-SOURCE-CIDR': 'hash:ip,port,net',
  'LOAD-BALANCER-FW': 'hash:ip,port',
  'NODE-PORT-LOCAL-TCP': 'bitmap:port',
  'NODE-PORT-TCP': 'bitmap:port',
  'NODE-PORT-LOCAL-UDP': 'bitmap:port',
  'NODE-PORT-UDP': 'bitmap:port',
  'NODE-PORT-LOCAL-SCTP-HASH': 'hash:ip,port',
  'NODE-PORT-SCTP-HASH': 'hash:ip,port',
  'HEALTH-CHECK-NODE-PORT': 'bitmap:port',
  'IPVS-IPS': 'hash:ip',
} as const
export type SetId = keyof typeof setTypes
export const setIds = Object.keys(setTypes) as readonly SetId[]

/** The kernel takes at most 31 characters; the longest names of IPv6 lose their last one, as kube-proxy's do. */
export const setName = (id: SetId, family: IpFamily): string => `KUBE-${family === 6 ? '6-' : ''}${id}`.slice(0, 31)

/** The words after `create NAME`. More entries than a set takes by itself (65,536), for large clusters. */
export function setDefinition(id: SetId, family: IpFamily): string {
  const type = setTypes[id]
  return type === 'bitmap:port' ? `${type} range 0-65535` : `${type} family ${family === 6 ? 'inet6' : 'inet'} maxelem 1048576`
}

/** The chains of fixed name; no Service has one of its own. */
export const chains = {
  nat: ['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-NODE-PORT', 'KUBE-LOAD-BALANCER', 'KUBE-MARK-MASQ'],
  filter: [
    'KUBE-FORWARD',
    'KUBE-NODE-PORT',
    'KUBE-PROXY-FIREWALL',
    'KUBE-SOURCE-RANGES-FIREWALL',
    'KUBE-IPVS-FILTER',
    'KUBE-IPVS-OUT-FILTER',
  ],
} as const
export type Table = keyof typeof chains

/** Those that proxy iptables has by the same names. While both are in (one follows the other), they belong to it. */
export const sharedChains: readonly string[] = [
  'KUBE-SERVICES',
  'KUBE-POSTROUTING',
  'KUBE-MARK-MASQ',
  'KUBE-FORWARD',
  'KUBE-PROXY-FIREWALL',
]
/** Chains by which proxy iptables is known to be in. */
export const iptablesProxyChain = { nat: 'KUBE-NODEPORTS', filter: 'KUBE-EXTERNAL-SERVICES' } as const
