import { type Cidr, cidrParts, type Ip, type IpFamily, ipFamily, parseCidr } from '../base/net/address.js'
import type { LocalDetector, NodeFacts } from './service-state.js'

/** The ways to put Services into a kernel. */
export type ProxyMode = 'iptables' | 'ipvs' | 'nftables'
export const proxyModes: readonly ProxyMode[] = ['iptables', 'ipvs', 'nftables']

/** How Pods of this cluster are told from others; each as kube-proxy's `detectLocalMode` of that name. */
export type DetectLocal =
  | { readonly by: 'ClusterCIDR'; readonly cidrs: readonly Cidr[] }
  /** The node's own Pod ranges. */
  | { readonly by: 'NodeCIDR'; readonly cidrs: readonly Cidr[] }
  | { readonly by: 'BridgeInterface'; readonly name: string }
  | { readonly by: 'InterfaceNamePrefix'; readonly prefix: string }
  | { readonly by: 'none' }

/** What the administrator says and the node is, for every mode and both families. */
export interface ProxySettings {
  readonly nodeName: string
  /** The node's primary address of each family it has. */
  readonly nodeAddresses: readonly Ip[]
  /** The label `topology.kubernetes.io/zone` of the node. */
  readonly zone?: string | undefined
  /** The ranges that ClusterIPs come from. */
  readonly serviceRanges: readonly Cidr[]
  readonly detectLocal: DetectLocal
  /** Where NodePorts answer: in these ranges, at the primary addresses, or as the mode does by itself. */
  readonly nodePortAddresses: 'default' | 'primary' | readonly Cidr[]
  /** Whether NodePorts answer on 127.0.0.1, in the one mode that can. */
  readonly localhostNodePorts: boolean
  readonly masqueradeAll: boolean
  /** The bit of the packet mark that asks for masquerading, 0 to 31. */
  readonly masqueradeBit: number
  /** Whether TCP connection tracking lets odd sequence numbers pass (`nf_conntrack_tcp_be_liberal`): then nothing is INVALID for them. */
  readonly isConntrackLiberal: boolean
}

/** Kubernetes' default for `masqueradeBit`. */
export const defaultMasqueradeBit = 14

/** The facts of one family under one mode; undefined when the node has no address of the family. */
export function nodeFacts(settings: ProxySettings, mode: ProxyMode, family: IpFamily): NodeFacts | undefined {
  const address = settings.nodeAddresses.find(ip => ipFamily(ip) === family)
  if (address === undefined) return undefined
  const nodePortAddresses = nodePortRanges(settings, mode, address)
  return {
    name: settings.nodeName,
    family,
    address,
    zone: settings.zone,
    serviceRanges: settings.serviceRanges.filter(isOf(family)),
    nodePortAddresses,
    localhostNodePorts: mode === 'iptables' && family === 4 && settings.localhostNodePorts && includesLoopback(nodePortAddresses),
    localDetector: localDetector(settings.detectLocal, family),
    masqueradeAll: settings.masqueradeAll,
    masqueradeMark: 2 ** settings.masqueradeBit,
    dropInvalid: !settings.isConntrackLiberal,
  }
}

/** Left to itself nftables takes the node's primary address alone, the others every local one. */
function nodePortRanges({ nodePortAddresses }: ProxySettings, mode: ProxyMode, address: Ip): NodeFacts['nodePortAddresses'] {
  if (nodePortAddresses === 'primary' || (nodePortAddresses === 'default' && mode === 'nftables')) return [hostRange(address)]
  if (nodePortAddresses === 'default') return 'all'
  const ranges = nodePortAddresses.filter(isOf(ipFamily(address)))
  // Who names addresses of the other family only has not restricted this one.
  return ranges.length === 0 || ranges.some(range => cidrParts(range).prefix === 0) ? 'all' : ranges
}

const includesLoopback = (ranges: NodeFacts['nodePortAddresses']): boolean =>
  ranges === 'all' || ranges.some(range => cidrParts(range).base.startsWith('127.'))

function localDetector(detect: DetectLocal, family: IpFamily): LocalDetector | undefined {
  switch (detect.by) {
    case 'ClusterCIDR':
    case 'NodeCIDR': {
      const cidr = detect.cidrs.find(isOf(family))
      return cidr === undefined ? undefined : { by: 'source', cidr }
    }
    case 'BridgeInterface':
      return { by: 'interface', name: detect.name }
    case 'InterfaceNamePrefix':
      return { by: 'interface', name: `${detect.prefix}+` }
    case 'none':
      return undefined
  }
}

const isOf = (family: IpFamily) => (cidr: Cidr) => cidrParts(cidr).family === family

const hostRange = (ip: Ip): Cidr => parseCidr(`${ip}/${ipFamily(ip) === 4 ? 32 : 128}`)
