import type { Node } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { type Cidr, isIp, parseCidr, parseIp } from '../../base/net/address.js'
import type { Peer } from '../../cni/datapath.js'

/** Where a node publishes the MAC of its tunnel end. */
export const vtepMacAnnotation = 'podwire.dev/vtep-mac'

/** The node's Pod range once it is allocated; undefined for none and for one that is no IPv4 range. */
export function podRangeOf(node: Node | undefined): Cidr | undefined {
  const text = node?.spec?.podCIDR
  try {
    return text === undefined || text === '' ? undefined : parseCidr(text)
  } catch (error) {
    if (isPodwireError(error, 'CONFIG_INVALID')) return undefined
    throw error
  }
}

/** The other nodes that can be reached already: with an address, a Pod range and a published tunnel end. Ordered by name. */
export function buildPeers(nodes: readonly Node[], ownName: string): readonly Peer[] {
  return nodes
    .flatMap(node => peerOf(node) ?? [])
    .filter(peer => peer.node !== ownName)
    .sort((a, b) => (a.node < b.node ? -1 : 1))
}

function peerOf(node: Node): Peer | undefined {
  const podRange = podRangeOf(node)
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address
  const vtepMac = node.metadata?.annotations?.[vtepMacAnnotation]
  if (podRange === undefined || address === undefined || !isIp(address) || vtepMac === undefined) return undefined
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(vtepMac)) return undefined
  return { node: node.metadata?.name ?? '', address: parseIp(address), podRange, vtepMac }
}
