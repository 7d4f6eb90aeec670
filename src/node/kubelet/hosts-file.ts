import type { HostAlias } from '../../api/generated/types.js'

interface HostsFile {
  /** Empty for a Pod in the node's network. */
  readonly ips: readonly string[]
  readonly hostname: string
  readonly fqdn: string | undefined
  readonly aliases: readonly HostAlias[]
  /** The node's own file, for a Pod in the node's network. */
  readonly nodeHosts: string | undefined
}

const header = '# Kubernetes-managed hosts file.'
const loopback = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'fe00::0\tip6-mcastprefix',
  'fe00::1\tip6-allnodes',
  'fe00::2\tip6-allrouters',
]

/** The /etc/hosts of a Pod: itself, its hostAliases, and on the node's network what the node knows. */
export function renderHostsFile({ ips, hostname, fqdn, aliases, nodeHosts }: HostsFile): string {
  const names = fqdn ? `${fqdn}\t${hostname}` : hostname
  const own = nodeHosts === undefined ? [...loopback, ...ips.map(ip => `${ip}\t${names}`)] : [nodeHosts.trimEnd()]
  const extra = aliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`)
  return `${[header, ...own, ...(extra.length > 0 ? ['', '# Entries added by HostAliases.', ...extra] : [])].join('\n')}\n`
}
