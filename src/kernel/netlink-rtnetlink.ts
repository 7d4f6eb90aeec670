import { PodwireError } from '../base/errors/podwire-error.js'
import { type Attribute, nlm } from './netlink-messages.js'
import {
  AF_BRIDGE,
  bridgePortAttributes,
  ifinfomsg,
  linkAttributes,
  linkKind,
  linkNamed,
  parseLink,
  rtmLink,
  vethInfo,
  vxlanInfo,
  withoutStatistics,
} from './netlink-messages-link.js'
import {
  AF_INET,
  AF_INET6,
  addressDumpHeader,
  encodeAddress,
  encodeNeighbour,
  encodeRoute,
  encodeRouteToDelete,
  neighbourDumpHeader,
  parseAddress,
  parseNeighbour,
  parseRoute,
  routeDumpHeader,
  rtmAddress,
  rtmNeighbour,
  rtmRoute,
} from './netlink-messages-route.js'
import { openNetlinkSocket } from './netlink-socket.js'
import type { Link, Neighbour, Route, Rtnetlink } from './rtnetlink.js'
import { errnoOf } from './syscalls.js'

const NETLINK_ROUTE = 0
/** IFNAMSIZ less the NUL. */
const longestName = 15

/** Opens rtnetlink in the network namespace this thread is in; later calls act there wherever the thread is. */
export function openRtnetlink(): Rtnetlink {
  const socket = openNetlinkSocket(NETLINK_ROUTE)

  const send = (operation: string, type: number, flags: number, message: { header: Buffer; attributes: readonly Attribute[] }): void =>
    socket.request(operation, { type, flags, ...message })

  const addLink = (name: string, attributes: readonly Attribute[]): void =>
    send(`add link ${name}`, rtmLink.new, nlm.create | nlm.excl, { header: ifinfomsg(), attributes: [linkNamed(name), ...attributes] })

  const dump = (what: string, type: number, header: Buffer, attributes: readonly Attribute[] = []) =>
    socket.dump(`list ${what}`, { type, flags: 0, header, attributes }).map(({ data }) => data)

  /** A family that the kernel lacks or whose main table is not there yet holds nothing. */
  function dumpFamily(what: string, type: number, header: Buffer): readonly Buffer[] {
    try {
      return dump(what, type, header)
    } catch (error) {
      if (['ENOENT', 'ENOTSUP', 'EAFNOSUPPORT'].includes(errnoOf(error) ?? '')) return []
      throw error
    }
  }

  const links = () => dump('links', rtmLink.get, ifinfomsg(), [withoutStatistics]).map(parseLink)
  /** Asked for alone, a link costs the same however many there are. */
  function link(name: string): Link | undefined {
    if (Buffer.byteLength(name) > longestName) return undefined
    try {
      const request = { type: rtmLink.get, flags: 0, header: ifinfomsg(), attributes: [linkNamed(name), withoutStatistics] }
      return parseLink(socket.get(`show link ${name}`, request))
    } catch (error) {
      if (errnoOf(error) === 'ENODEV') return undefined
      throw error
    }
  }
  const neighbourText = ({ link, address, mac }: Neighbour): string => `${address} at ${mac} on link ${link}`
  const routeText = ({ destination, gateway, link }: Route): string =>
    `${destination}${gateway === undefined ? '' : ` via ${gateway}`}${link === undefined ? '' : ` on link ${link}`}`

  return {
    links,
    link,
    addVeth: ({ name, mtu, mac, group, master, peer }) =>
      addLink(name, [
        ...linkAttributes(defined({ mtu, mac, group, master })),
        vethInfo({
          name: peer.name,
          mtu,
          ...(peer.netnsFd === undefined ? {} : { netnsFd: peer.netnsFd }),
          ...(peer.mac === undefined ? {} : { mac: peer.mac }),
        }),
      ]),
    addBridge: ({ name, ...bridge }) => addLink(name, [...linkAttributes(bridge), linkKind('bridge')]),
    addDummy: ({ name, mtu }) => addLink(name, [...linkAttributes({ mtu }), linkKind('dummy')]),
    addVxlan: ({ name, mtu, mac, ...vxlan }) =>
      addLink(name, [...linkAttributes({ mtu, ...(mac === undefined ? {} : { mac }) }), vxlanInfo(vxlan)]),
    changeLink(index, { up, ...change }) {
      // RTM_NEWLINK without a name or index makes a link; RTM_SETLINK never does.
      const operation = `change link ${index} (${Object.keys({ ...change, ...(up === undefined ? {} : { up }) }).join(', ')})`
      send(operation, rtmLink.set, 0, { header: ifinfomsg({ index, up }), attributes: linkAttributes(change) })
    },
    changeBridgePort(index, change) {
      if (Object.keys(change).length === 0) throw new PodwireError('INTERNAL', 'changeBridgePort was given nothing to change')
      const header = ifinfomsg({ family: AF_BRIDGE, index })
      send(`change bridge port ${index}`, rtmLink.set, 0, { header, attributes: [bridgePortAttributes(change)] })
    },
    deleteLink: index => send(`delete link ${index}`, rtmLink.delete, 0, { header: ifinfomsg({ index }), attributes: [] }),
    deleteGroup: group =>
      socket.requestInPool(`delete the links of group ${group}`, {
        type: rtmLink.delete,
        flags: 0,
        header: ifinfomsg(),
        attributes: linkAttributes({ group }),
      }),
    addresses: () => dump('addresses', rtmAddress.get, addressDumpHeader()).map(parseAddress),
    addAddress: address =>
      send(`add address ${address.cidr} to link ${address.link}`, rtmAddress.new, nlm.create | nlm.excl, encodeAddress(address)),
    deleteAddress: address => send(`delete address ${address.cidr} of link ${address.link}`, rtmAddress.delete, 0, encodeAddress(address)),
    routes: () =>
      [AF_INET, AF_INET6]
        .flatMap(family => dumpFamily('routes', rtmRoute.get, routeDumpHeader(family)))
        .map(parseRoute)
        .filter(route => route !== undefined),
    replaceRoute: route => send(`replace route ${routeText(route)}`, rtmRoute.new, nlm.create | nlm.replace, encodeRoute(route)),
    deleteRoute: route => send(`delete route ${routeText(route)}`, rtmRoute.delete, 0, encodeRouteToDelete(route)),
    neighbours: () =>
      [AF_INET, AF_INET6]
        .flatMap(family => dumpFamily('neighbours', rtmNeighbour.get, neighbourDumpHeader(family)))
        .map(parseNeighbour)
        .filter(entry => entry !== undefined),
    replaceNeighbour: entry =>
      send(`replace neighbour ${neighbourText(entry)}`, rtmNeighbour.new, nlm.create | nlm.replace, encodeNeighbour(entry, { fdb: false })),
    deleteNeighbour: entry =>
      send(`delete neighbour ${neighbourText(entry)}`, rtmNeighbour.delete, 0, encodeNeighbour(entry, { fdb: false })),
    fdb: () =>
      dump('forwarding entries', rtmNeighbour.get, neighbourDumpHeader(AF_BRIDGE))
        .map(parseNeighbour)
        .filter(entry => entry !== undefined),
    replaceFdb: entry =>
      send(`replace fdb ${neighbourText(entry)}`, rtmNeighbour.new, nlm.create | nlm.replace, encodeNeighbour(entry, { fdb: true })),
    deleteFdb: entry => send(`delete fdb ${neighbourText(entry)}`, rtmNeighbour.delete, 0, encodeNeighbour(entry, { fdb: true })),
    close: () => socket.close(),
  }
}

/** Without the keys that hold nothing. */
const defined = <T extends object>(fields: { readonly [K in keyof T]: T[K] | undefined }): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T
