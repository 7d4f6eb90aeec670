import type { Node } from '../../api/generated/types.js'
import { type DatapathKind, datapathKinds } from '../../base/config/agent-config.js'
import { datapathAnnotation, datapathRefusalAnnotation } from '../../base/config/agent-wishes.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { type Cidr, isIp, parseCidr, parseIp } from '../../base/net/address.js'
import type { NodeMarks, Peer } from '../../cni/datapath.js'

/** What a node publishes of its Pod network: what others must know, and `DATAPATH: why not` while it cannot do what it is asked. */
export type PublishedMarks = NodeMarks & { readonly refusal: string | undefined }

/** Where a node publishes what others must know of it: the MAC of its tunnel end, what it moves Pod packets by, its segment's largest packet. */
export const markAnnotations = {
  vtepMac: 'podwire.dev/vtep-mac',
  datapath: datapathAnnotation,
  underlayMtu: 'podwire.dev/underlay-mtu',
  refusal: datapathRefusalAnnotation,
} as const satisfies Record<keyof PublishedMarks, string>

/** A node's marks as a merge patch of its annotations; null takes one away. */
export const marksPatch = (marks: PublishedMarks): Readonly<Record<string, string | null>> =>
  Object.fromEntries(
    (Object.keys(markAnnotations) as (keyof PublishedMarks)[]).map(key => [
      markAnnotations[key],
      marks[key] === undefined ? null : `${marks[key]}`,
    ]),
  )

/** What a node has published; what does not read as a mark is none. */
export function marksOf(node: Node | undefined): { readonly [K in keyof PublishedMarks]: PublishedMarks[K] | undefined } {
  const annotations = node?.metadata?.annotations ?? {}
  const vtepMac = annotations[markAnnotations.vtepMac]
  const underlayMtu = Number(annotations[markAnnotations.underlayMtu])
  return {
    vtepMac: vtepMac !== undefined && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(vtepMac) ? vtepMac : undefined,
    datapath: datapathKinds.find((kind): kind is DatapathKind => kind === annotations[markAnnotations.datapath]),
    underlayMtu: Number.isInteger(underlayMtu) && underlayMtu > 0 ? underlayMtu : undefined,
    refusal: annotations[markAnnotations.refusal],
  }
}

/** The node's Pod ranges once they are allocated, one a family; texts that are no ranges are left out. */
export function podRangesOf(node: Node | undefined): readonly Cidr[] {
  const { podCIDR, podCIDRs } = node?.spec ?? {}
  return (podCIDRs ?? (podCIDR === undefined ? [] : [podCIDR])).flatMap(text => {
    try {
      return [parseCidr(text)]
    } catch (error) {
      if (isPodwireError(error, 'CONFIG_INVALID')) return []
      throw error
    }
  })
}

/** The other nodes that can be reached already: with an address, a Pod range and what they have published. Ordered by name. */
export function buildPeers(nodes: readonly Node[], ownName: string): readonly Peer[] {
  return nodes
    .flatMap(node => peerOf(node) ?? [])
    .filter(peer => peer.node !== ownName)
    .sort((a, b) => (a.node < b.node ? -1 : 1))
}

function peerOf(node: Node): Peer | undefined {
  const podRanges = podRangesOf(node)
  const internal = (node.status?.addresses ?? []).filter(({ type, address }) => type === 'InternalIP' && isIp(address))
  const addresses = internal.map(({ address }) => parseIp(address))
  const { refusal: _, ...marks } = marksOf(node)
  const hasMarks = marks.vtepMac !== undefined || marks.datapath !== undefined
  if (podRanges.length === 0 || addresses.length === 0 || !hasMarks) return undefined
  return { node: node.metadata?.name ?? '', addresses, podRanges, ...marks }
}
