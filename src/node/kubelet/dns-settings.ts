import type { Pod } from '../../api/generated/types.js'
import type { KubeletConfig } from './kubelet-config.js'
import type { DnsSettings } from './pod-runtime.js'

/** glibc and Kubernetes look no further. */
const limits = { servers: 3, searches: 32 }

/**
 * A Pod's resolv.conf by its dnsPolicy and dnsConfig.
 * `node` is what the node's own resolv.conf says; cluster names come first in the search path, the node's domains last.
 */
export function buildDnsSettings(pod: Pod, config: Pick<KubeletConfig, 'clusterDns' | 'clusterDomain'>, node: DnsSettings): DnsSettings {
  const base = policySettings(pod, config, node)
  const { nameservers = [], searches = [], options = [] } = pod.spec?.dnsConfig ?? {}
  const chosen = new Map(base.options.map(option => [option.split(':')[0]!, option]))
  for (const { name = '', value } of options) chosen.set(name, value === undefined ? name : `${name}:${value}`)
  return {
    servers: unique([...base.servers, ...nameservers]).slice(0, limits.servers),
    searches: unique([...base.searches, ...searches]).slice(0, limits.searches),
    options: [...chosen.values()],
  }
}

function policySettings(pod: Pod, config: Pick<KubeletConfig, 'clusterDns' | 'clusterDomain'>, node: DnsSettings): DnsSettings {
  const { dnsPolicy = 'ClusterFirst', hostNetwork = false } = pod.spec ?? {}
  if (dnsPolicy === 'None') return { servers: [], searches: [], options: [] }
  if (dnsPolicy === 'Default' || (dnsPolicy === 'ClusterFirst' && hostNetwork)) return node
  const domain = config.clusterDomain
  return {
    servers: [config.clusterDns],
    searches: [`${pod.metadata?.namespace}.svc.${domain}`, `svc.${domain}`, domain, ...node.searches],
    options: ['ndots:5'],
  }
}

/** The lines of a resolv.conf that matter to Pods; the last `search` or `domain` line counts (resolv.conf(5)). */
export function parseResolvConf(text: string): DnsSettings {
  const servers: string[] = []
  const options: string[] = []
  let searches: readonly string[] = []
  for (const line of text.split('\n')) {
    const [word, ...rest] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (word === 'nameserver') servers.push(...rest.slice(0, 1))
    else if (word === 'search' || word === 'domain') searches = rest
    else if (word === 'options') options.push(...rest)
  }
  return { servers, searches, options }
}

const unique = (values: readonly string[]): readonly string[] => [...new Set(values)]
