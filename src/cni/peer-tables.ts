import type { DatapathKind } from '../base/config/agent-config.js'
import { type Cidr, cidrContains, cidrParts, type Ip, type IpFamily, ipFamily } from '../base/net/address.js'
import { type Neighbour, type Route, type Rtnetlink, routeProtocol } from '../kernel/rtnetlink.js'
import { errnoOf } from '../kernel/syscalls.js'
import type { Backend } from '../reconcile/backend.js'
import type { Peer } from './datapath.js'

/** Bytes that VXLAN over IPv4 puts before an inner packet: Ethernet 14, IP 20, UDP 8, VXLAN 8. */
export const vxlanOverhead = 50

/** The devices of a node's datapath: a link's index, undefined where there is no such link. */
export interface NodeLinks {
  readonly bridge: number | undefined
  readonly uplink: number | undefined
  readonly vxlan: number | undefined
}

/** What the kernel holds for the peers: all routes with our protocol number, and everything of the tunnel's device. */
export interface PeerTables {
  readonly links: NodeLinks
  readonly routes: readonly Route[]
  readonly neighbours: readonly Neighbour[]
  readonly fdb: readonly Neighbour[]
}

/** One change of the kernel's tables; the list is ordered, since the kernel has no transaction over all three. */
export type PeerChange =
  | { readonly replace: 'route'; readonly entry: Route }
  | { readonly replace: 'neighbour' | 'fdb'; readonly entry: Neighbour }
  | { readonly remove: 'route'; readonly entry: Route }
  | { readonly remove: 'neighbour' | 'fdb'; readonly entry: Neighbour }

export interface PeerPlan {
  readonly changes: readonly PeerChange[]
  readonly after: PeerTables
}

/** The peers, and what of this node decides how they are reached. */
export interface WantedPeers {
  readonly kind: DatapathKind
  /** The ranges of the segment this node stands on. */
  readonly onLink: readonly Cidr[]
  readonly underlayMtu: number
  readonly peers: readonly Peer[]
}

/**
 * How packets go to a peer's Pods: in a tunnel, by the peer's own address on the segment, straight to the Pod because the segment reaches into
 * the peer's bridge, or by what BGP says.
 */
export type Way = 'tunnel' | 'direct' | 'flat' | 'bgp'

/**
 * The way to a peer; undefined while there is none. While a cluster changes its datapath the peer's own decides with: a peer without a tunnel end
 * that no longer wants one is reached directly, a peer of another segment whose BGP has not begun through its tunnel.
 */
export function wayTo({ kind, onLink }: Pick<WantedPeers, 'kind' | 'onLink'>, peer: Peer): Way | undefined {
  const isNear = peer.addresses.some(address => onLink.some(range => cidrContains(range, address)))
  const wantsTunnel = peer.datapath === undefined || peer.datapath === 'vxlan' || peer.datapath === 'mixed'
  const tunnel = peer.vtepMac !== undefined ? 'tunnel' : isNear && !wantsTunnel ? 'direct' : undefined
  switch (kind) {
    case 'vxlan':
      return tunnel
    case 'mixed':
      return isNear ? 'direct' : tunnel
    case 'routed':
      return isNear ? 'direct' : peer.datapath === 'routed' || peer.vtepMac === undefined ? 'bgp' : 'tunnel'
    case 'bridge':
      return isNear ? (peer.datapath === 'bridge' ? 'flat' : 'direct') : undefined
  }
}

/** The names of a node's devices. */
export interface DeviceNames {
  readonly bridge: string
  readonly uplink: string
  readonly vxlan: string
}

/**
 * Peers as routes, permanent neighbours and forwarding entries: nothing is flooded and nothing learnt.
 *
 * Through the tunnel a peer's Pods are routed to its tunnel address (the first of its range), whose MAC the neighbour entry tells and which the
 * forwarding entry places on a node. `apply` throws at the first refusal; observe again then.
 */
export function peerTables(rtnetlink: Rtnetlink, names: DeviceNames): Backend<WantedPeers, PeerTables, PeerPlan> {
  return {
    name: 'peers',
    async observe() {
      const all = rtnetlink.links()
      const index = (name: string): number | undefined => all.find(link => link.name === name)?.index
      const links = { bridge: index(names.bridge), uplink: index(names.uplink), vxlan: index(names.vxlan) }
      const isTunnels = (entry: { readonly link: number }): boolean => entry.link === links.vxlan
      return {
        links,
        routes: rtnetlink.routes().filter(({ protocol }) => protocol === routeProtocol),
        neighbours: rtnetlink.neighbours().filter(isTunnels),
        fdb: rtnetlink.fdb().filter(isTunnels),
      }
    },
    plan: planPeers,
    async apply({ changes, after }) {
      for (const change of changes) applyChange(rtnetlink, change)
      return after
    },
  }
}

/** Adds before it deletes: from the inside out for a new peer (forwarding, neighbour, route), the other way round for one that goes. */
export function planPeers(wanted: WantedPeers, { links, routes, neighbours, fdb }: PeerTables): PeerPlan {
  const entries = [...wanted.peers].sort((a, b) => (a.node < b.node ? -1 : 1)).map(peer => entriesOf(peer, wanted, links))
  const after: PeerTables = {
    links,
    routes: entries.flatMap(each => each.routes),
    neighbours: entries.flatMap(each => each.neighbours),
    fdb: entries.flatMap(each => each.fdb),
  }
  const has = <T>(entries: readonly T[], entry: T, isSame: (a: T, b: T) => boolean): boolean => entries.some(other => isSame(other, entry))
  const changes: PeerChange[] = [
    ...after.fdb.filter(entry => !has(fdb, entry, sameNeighbour)).map(entry => ({ replace: 'fdb' as const, entry })),
    ...after.neighbours.filter(entry => !has(neighbours, entry, sameNeighbour)).map(entry => ({ replace: 'neighbour' as const, entry })),
    ...after.routes.filter(entry => !has(routes, entry, sameRoute)).map(entry => ({ replace: 'route' as const, entry })),
    ...routes.filter(entry => !has(after.routes, entry, sameDestination)).map(entry => ({ remove: 'route' as const, entry })),
    ...neighbours.filter(entry => !has(after.neighbours, entry, sameAddress)).map(entry => ({ remove: 'neighbour' as const, entry })),
    ...fdb.filter(entry => !has(after.fdb, entry, sameMac)).map(entry => ({ remove: 'fdb' as const, entry })),
  ]
  return { changes, after }
}

type Entries = Pick<PeerTables, 'routes' | 'neighbours' | 'fdb'>
const noEntries: Entries = { routes: [], neighbours: [], fdb: [] }

function entriesOf(peer: Peer, wanted: WantedPeers, links: NodeLinks): Entries {
  const way = wayTo(wanted, peer)
  if (way === undefined || way === 'bgp') return noEntries
  const overhead = way === 'tunnel' ? vxlanOverhead : 0
  // Only a lower one needs saying: the device's own holds otherwise.
  const isNarrower = peer.underlayMtu !== undefined && peer.underlayMtu < wanted.underlayMtu
  const common = {
    protocol: routeProtocol,
    scope: 'global' as const,
    ...(isNarrower && { mtu: peer.underlayMtu - overhead }),
  }
  if (way === 'tunnel') return tunnelEntries(peer, links.vxlan, common)
  // In a flat segment the bridge has taken over the uplink's addresses.
  const link = wanted.kind === 'bridge' ? links.bridge : links.uplink
  if (link === undefined) return noEntries
  const routes = peer.podRanges.flatMap((destination): Route[] => {
    if (way === 'flat') return [{ ...common, destination, link, scope: 'link' }]
    const gateway = addressOf(peer, cidrParts(destination).family)
    return gateway === undefined ? [] : [{ ...common, destination, gateway, link }]
  })
  return { ...noEntries, routes }
}

function tunnelEntries(peer: Peer, link: number | undefined, common: Pick<Route, 'protocol' | 'scope' | 'mtu'>): Entries {
  const { vtepMac, podRanges } = peer
  const remote = addressOf(peer, 4)
  if (link === undefined || vtepMac === undefined || remote === undefined) return noEntries
  const entry = { link, mac: vtepMac, permanent: true }
  return {
    routes: podRanges.flatMap((destination): Route[] => {
      const { base: gateway, family } = cidrParts(destination)
      // IPv6 takes a gateway by another device than the present route to it for a mistake: the host route comes first.
      const host: Route[] = family === 6 ? [{ protocol: routeProtocol, scope: 'link', destination: `${gateway}/128`, link }] : []
      return [...host, { ...common, destination, gateway, link, onlink: true }]
    }),
    neighbours: podRanges.map(range => ({ ...entry, address: cidrParts(range).base })),
    fdb: [{ ...entry, address: remote }],
  }
}

const addressOf = ({ addresses }: Peer, family: IpFamily): Ip | undefined => addresses.find(address => ipFamily(address) === family)

const sameNeighbour = (a: Neighbour, b: Neighbour): boolean => a.mac === b.mac && a.address === b.address && a.permanent === b.permanent
const sameAddress = (a: Neighbour, b: Neighbour): boolean => a.address === b.address
/** Replacing a forwarding entry replaces the one with its MAC, wherever that led. */
const sameMac = (a: Neighbour, b: Neighbour): boolean => a.mac === b.mac
const sameDestination = (a: Route, b: Route): boolean => a.destination === b.destination
const sameRoute = (a: Route, b: Route): boolean =>
  (['destination', 'gateway', 'link', 'onlink', 'protocol', 'mtu'] as const).every(key => a[key] === b[key])

function applyChange(rtnetlink: Rtnetlink, change: PeerChange): void {
  if ('replace' in change) {
    if (change.replace === 'route') rtnetlink.replaceRoute(change.entry)
    else if (change.replace === 'neighbour') rtnetlink.replaceNeighbour(change.entry)
    else rtnetlink.replaceFdb(change.entry)
    return
  }
  try {
    if (change.remove === 'route') rtnetlink.deleteRoute(change.entry)
    else if (change.remove === 'neighbour') rtnetlink.deleteNeighbour(change.entry)
    else rtnetlink.deleteFdb(change.entry)
  } catch (error) {
    if (!['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) throw error // Gone already.
  }
}
