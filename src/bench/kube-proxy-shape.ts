import type { ServiceState } from '../service-model/service-state.js'

/**
 * The commands for `nft -f` that kube-proxy's nftables mode would load for these Services: one chain a Service port, one a endpoint, and in each
 * Service's chain a verdict map without a name that draws the endpoint. Written from the structure that its documentation describes
 * (KEP-3866), for ClusterIPs; affinity, node ports and what else these Services do not have are left out.
 */
export function kubeProxyShape({ ports, node }: ServiceState): string {
  const table = 'ip kube-proxy'
  const detector = node.localDetector?.by === 'source' ? `ip saddr != ${node.localDetector.cidr} ` : ''
  const mark = `0x${node.masqueradeMark.toString(16)}`
  const chains: string[] = []
  const rules: string[] = []
  const elements: string[] = []
  for (const { key, protocol, clusterIP, port, clusterEndpoints } of ports.values()) {
    const name = key.replace(':', `/${protocol}/`)
    const service = `service-${name}`
    const endpoints = clusterEndpoints.map(({ address, port: target }) => ({
      chain: `endpoint-${name}__${address}/${target}`,
      address,
      target,
    }))
    chains.push(service, ...endpoints.map(({ chain }) => chain))
    rules.push(`${service} ip daddr ${clusterIP} ${protocol} dport ${port} ${detector}jump mark-for-masquerade`)
    rules.push(
      `${service} numgen random mod ${endpoints.length} vmap { ${endpoints.map(({ chain }, i) => `${i} : goto ${chain}`).join(', ')} }`,
    )
    for (const { chain, address, target } of endpoints) {
      rules.push(`${chain} ip saddr ${address} jump mark-for-masquerade`)
      rules.push(`${chain} meta l4proto ${protocol} dnat to ${address}:${target}`)
    }
    elements.push(`${clusterIP} . ${protocol} . ${port} : goto ${service}`)
  }
  return [
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table}`,
    `add chain ${table} mark-for-masquerade`,
    `add rule ${table} mark-for-masquerade mark set mark or ${mark}`,
    `add chain ${table} masquerading`,
    `add rule ${table} masquerading mark and ${mark} == 0 return`,
    `add rule ${table} masquerading mark set mark xor ${mark}`,
    `add rule ${table} masquerading masquerade fully-random`,
    `add map ${table} service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }`,
    `add chain ${table} services`,
    `add chain ${table} nat-prerouting { type nat hook prerouting priority -100; }`,
    `add chain ${table} nat-output { type nat hook output priority -100; }`,
    `add chain ${table} nat-postrouting { type nat hook postrouting priority 100; }`,
    `add rule ${table} nat-prerouting jump services`,
    `add rule ${table} nat-output jump services`,
    `add rule ${table} nat-postrouting jump masquerading`,
    `add rule ${table} services ip daddr . meta l4proto . th dport vmap @service-ips`,
    ...chains.map(chain => `add chain ${table} ${chain}`),
    ...rules.map(rule => `add rule ${table} ${rule}`),
    ...elements.map(element => `add element ${table} service-ips { ${element} }`),
    '',
  ].join('\n')
}
