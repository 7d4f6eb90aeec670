import { cidrParts } from '../base/net/address.js'
import { type Neighbour, type Route, type Rtnetlink, routeProtocol } from '../kernel/rtnetlink.js'
import { errnoOf } from '../kernel/syscalls.js'
import type { Backend } from '../reconcile/backend.js'
import type { Peer } from './datapath.js'

/** What a VXLAN device holds for its peers. Routes are those with our protocol number only. */
export interface PeerEntries {
  readonly link: number
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
  readonly after: PeerEntries
}

/**
 * Peers as routes, permanent neighbours and forwarding entries of the VXLAN device: nothing is flooded and nothing learnt.
 *
 * A peer's Pods are routed to its tunnel address (the first of its range), whose MAC the neighbour entry tells and which the
 * forwarding entry places on a node. `apply` throws at the first refusal; observe again then.
 */
export function vxlanPeers(rtnetlink: Rtnetlink, device: string): Backend<readonly Peer[], PeerEntries, PeerPlan> {
  return {
    name: 'vxlan-peers',
    async observe() {
      const link = rtnetlink.link(device)?.index
      if (link === undefined) return { link: 0, routes: [], neighbours: [], fdb: [] }
      const isOurs = (entry: { readonly link?: number; readonly permanent?: boolean }): boolean => entry.link === link
      return {
        link,
        routes: rtnetlink.routes().filter(route => isOurs(route) && route.protocol === routeProtocol),
        neighbours: rtnetlink.neighbours().filter(isOurs),
        fdb: rtnetlink.fdb().filter(isOurs),
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
export function planPeers(peers: readonly Peer[], { link, routes, neighbours, fdb }: PeerEntries): PeerPlan {
  const wanted = [...peers].sort((a, b) => (a.podRange < b.podRange ? -1 : 1)).map(peer => entriesOf(peer, link))
  const after: PeerEntries = {
    link,
    routes: wanted.map(({ route }) => route),
    neighbours: wanted.map(({ neighbour }) => neighbour),
    fdb: wanted.map(({ forwarding }) => forwarding),
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

function entriesOf({ address, podRange, vtepMac }: Peer, link: number): { route: Route; neighbour: Neighbour; forwarding: Neighbour } {
  const vtep = cidrParts(podRange).base
  const entry = { link, mac: vtepMac, permanent: true }
  return {
    route: { destination: podRange, gateway: vtep, link, onlink: true, protocol: routeProtocol, scope: 'global' },
    neighbour: { ...entry, address: vtep },
    forwarding: { ...entry, address },
  }
}

const sameNeighbour = (a: Neighbour, b: Neighbour): boolean => a.mac === b.mac && a.address === b.address && a.permanent === b.permanent
const sameAddress = (a: Neighbour, b: Neighbour): boolean => a.address === b.address
/** Replacing a forwarding entry replaces the one with its MAC, wherever that led. */
const sameMac = (a: Neighbour, b: Neighbour): boolean => a.mac === b.mac
const sameDestination = (a: Route, b: Route): boolean => a.destination === b.destination
const sameRoute = (a: Route, b: Route): boolean =>
  a.destination === b.destination && a.gateway === b.gateway && a.onlink === b.onlink && a.protocol === b.protocol

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
