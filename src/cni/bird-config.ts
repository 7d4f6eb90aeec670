import { type Cidr, cidrParts, type Ip, type IpFamily, ipFamily } from '../base/net/address.js'

/** What a node's BIRD needs to know. */
export interface BirdNode {
  readonly routerId: Ip
  readonly localAs: number
  readonly neighbourAs: number
  /** The segment's router in each family, and this node's address there. */
  readonly neighbours: readonly { readonly local: Ip; readonly address: Ip }[]
  /** In each family this node's Pods, and all Pods. */
  readonly ranges: readonly { readonly own: Cidr; readonly cluster: Cidr }[]
}

/**
 * BIRD's configuration for a node: it tells the segment's router where this node's Pods are, and puts what that tells of other nodes' Pods into the
 * kernel. Nothing else is told or believed. Times are short, since a lab is to be seen changing.
 */
export function renderBirdConfig({ routerId, localAs, neighbourAs, neighbours, ranges }: BirdNode): string {
  const families = ranges.map(({ own, cluster }) => ({ family: cidrParts(own).family, own, cluster }))
  const rangesOf = (family: IpFamily) => families.find(each => each.family === family)
  const sessions = neighbours.flatMap(({ local, address }) => {
    const range = rangesOf(ipFamily(address))
    if (range === undefined) return []
    return [
      `protocol bgp router${range.family} {
  local ${local} as ${localAs};
  neighbor ${address} as ${neighbourAs};
  hold time 9; keepalive time 3;
  connect delay time 1; connect retry time 2; error wait time 1, 4;
  ipv${range.family} { import where net ~ [ ${range.cluster}+ ]; export where proto = "pods${range.family}"; };
}`,
    ]
  })
  return [
    `router id ${routerId};`,
    'protocol device { scan time 2; }',
    ...families.map(({ family }) => `protocol kernel kernel${family} { ipv${family} { import none; export where source = RTS_BGP; }; }`),
    ...families.map(({ family, own }) => `protocol static pods${family} { ipv${family}; route ${own} unreachable; }`),
    ...sessions,
    '',
  ].join('\n')
}
