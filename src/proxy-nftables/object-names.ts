import { createHash } from 'node:crypto'

import type { NftTableName } from '../kernel/nftables.js'
import type { Endpoint, NodeFacts, ServicePort } from '../service-model/service-state.js'

/** kube-proxy's table. It is ours alone, so whatever else stands in it is removed. */
export const tableOf = ({ family }: Pick<NodeFacts, 'family'>): NftTableName => ({
  family: family === 4 ? 'ip' : 'ip6',
  table: 'kube-proxy',
})

/** The kernel's limit is 255 bytes. */
const longestName = 240

/**
 * The chains of one Service port with session affinity, named as kube-proxy names its chains.
 * The hash covers the timeout too: a set's timeout cannot be changed, so another timeout is another set.
 */
export const affinityNames = (port: ServicePort) => {
  const label = labelOf(port)
  const id = `${hash(`${label} ${port.affinitySeconds}`)}-${label}`
  return {
    cluster: name(`service-${id}`),
    local: name(`local-${id}`),
    internal: name(`internal-${id}`),
    external: name(`external-${id}`),
  }
}

/** The chain of an endpoint and the set of the clients that stay with it. */
export function endpointNames(port: ServicePort, { address, port: target }: Endpoint) {
  const label = `${labelOf(port)}__${address.replaceAll(':', '.')}/${target}`
  const id = `${hash(`${label} ${port.affinitySeconds}`)}-${label}`
  return { chain: name(`endpoint-${id}`), clients: name(`affinity-${id}`) }
}

const name = (text: string): string => text.slice(0, longestName)

/** `namespace/name/tcp/port`: a colon may not stand in names. */
function labelOf({ key, protocol }: ServicePort): string {
  const [service, port = ''] = key.split(':')
  return `${service}/${protocol}/${port}`
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16).toUpperCase()
