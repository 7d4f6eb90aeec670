import { type Cidr, type Ip, ipFamily, parseInterfaceAddress } from '../base/net/address.js'
import { type Rtnetlink, routeProtocol } from '../kernel/rtnetlink.js'

/** This node's address on the underlay in one family. */
export interface UnderlayAddress {
  readonly address: Ip
  readonly prefix: number
  /** The router of the segment, if there is one. */
  readonly gateway?: Ip | undefined
}

/** Its segment's range. */
export const segmentRange = ({ address, prefix }: UnderlayAddress): Cidr => parseInterfaceAddress(`${address}/${prefix}`).cidr

interface Uplink {
  /** Index of the interface to the underlay. */
  readonly uplink: number
  /** Index of the node's bridge. */
  readonly bridge: number
  readonly underlay: readonly UnderlayAddress[]
}

/**
 * Makes the uplink a port of the node's bridge, which takes over its addresses and routes; or gives them back to it.
 *
 * New addresses come before old ones go, so that the node answers all the time and its connections live on: what comes in for the uplink's MAC is
 * still taken, as a bridge takes what is meant for any of its ports.
 */
export function ensureUplink(rtnetlink: Rtnetlink, { uplink, bridge, underlay }: Uplink, isJoined: boolean): void {
  const [from, to] = isJoined ? [uplink, bridge] : [bridge, uplink]
  const master = isJoined ? bridge : undefined
  const present = rtnetlink.addresses()
  const has = (link: number, cidr: string): boolean => present.some(each => each.link === link && each.cidr === cidr)
  const current = rtnetlink.links().find(({ index }) => index === uplink)?.master
  const wasJoined = current === bridge || underlay.some(({ address, prefix }) => has(bridge, `${address}/${prefix}`))
  if (!isJoined && !wasJoined) return
  if (current !== master) rtnetlink.changeLink(uplink, { master: master ?? 0 })
  for (const { address, prefix } of underlay) {
    const cidr = `${address}/${prefix}`
    if (!has(to, cidr)) rtnetlink.addAddress({ link: to, cidr })
  }
  // The kernel takes a device's routes away with its last address, whoever made them.
  const lost = rtnetlink.routes().filter(({ link, protocol }) => link === from && !remadeBy.includes(protocol ?? 0))
  for (const route of lost) rtnetlink.replaceRoute({ ...route, link: to })
  for (const each of underlay) routeOutBy(rtnetlink, to, each)
  for (const { address, prefix } of underlay) {
    const cidr = `${address}/${prefix}`
    if (has(from, cidr)) rtnetlink.deleteAddress({ link: from, cidr })
  }
}

/** The kernel, whoever follows the peers, and BIRD make their routes anew. */
const remadeBy: readonly number[] = [2, routeProtocol, 12]

function routeOutBy(rtnetlink: Rtnetlink, link: number, { address, gateway }: UnderlayAddress): void {
  if (gateway === undefined) return
  const own = rtnetlink.routes().filter(route => route.destination === 'default' && route.gateway === gateway)
  if (!own.some(route => route.link === link)) rtnetlink.replaceRoute({ destination: 'default', gateway, link })
  // IPv6 may keep the old one beside the new one.
  if (ipFamily(address) === 6) for (const old of own.filter(route => route.link !== link)) deleteIfThere(rtnetlink, old)
}

function deleteIfThere(rtnetlink: Rtnetlink, { destination, gateway, link }: ReturnType<Rtnetlink['routes']>[number]): void {
  const isThere = rtnetlink.routes().some(route => route.destination === destination && route.gateway === gateway && route.link === link)
  if (isThere) rtnetlink.deleteRoute({ destination, ...(gateway && { gateway }), ...(link && { link }) })
}
