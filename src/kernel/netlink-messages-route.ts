import { ipFamily, ipFromBytes, ipToBytes, parseInterfaceAddress, parseIp } from '../base/net/address.js'
import { type Attribute, decodeAttributes, macFromBytes, macToBytes, readU32, u32 } from './netlink-messages.js'
import { AF_BRIDGE } from './netlink-messages-link.js'
import type { Address, Neighbour, Route } from './rtnetlink.js'

/** Message types (linux/rtnetlink.h). */
export const rtmAddress = { new: 20, delete: 21, get: 22 } as const
export const rtmRoute = { new: 24, delete: 25, get: 26 } as const
export const rtmNeighbour = { new: 28, delete: 29, get: 30 } as const

export const AF_INET = 2
export const AF_INET6 = 10
const RT_TABLE_MAIN = 254
const RTN_UNICAST = 1
const RTNH_F_ONLINK = 4
const IFA_F_NODAD = 0x02
const NTF_SELF = 0x02
const NUD_NOARP = 0x40
const NUD_PERMANENT = 0x80

const scopes = { global: 0, link: 253, host: 254 } as const
type Scope = keyof typeof scopes
const scopeOf = (value: number): Scope | undefined => (Object.keys(scopes) as Scope[]).find(name => scopes[name] === value)

const ifa = { address: 1, local: 2 } as const
const rta = { dst: 1, oif: 4, gateway: 5, prefsrc: 7, metrics: 8, table: 15 } as const
const rtaxMtu = 2
const nda = { dst: 1, lladdr: 2 } as const
const [ifaddrmsgLength, rtmsgLength, ndmsgLength] = [8, 12, 12]

const familyOf = (text: string): number => (ipFamily(parseIp(text)) === 4 ? AF_INET : AF_INET6)
const bytesOf = (text: string): Uint8Array => ipToBytes(parseIp(text))

/** struct ifaddrmsg and its attributes. */
export function encodeAddress({ link, cidr, scope }: Address): { header: Buffer; attributes: Attribute[] } {
  const { ip, prefix } = parseInterfaceAddress(cidr)
  const family = familyOf(ip)
  // Duplicate address detection would keep an IPv6 address unusable for a second; ours are allocated, not chosen.
  const header = Buffer.from([family, prefix, family === AF_INET6 ? IFA_F_NODAD : 0, scopes[scope ?? 'global'], 0, 0, 0, 0])
  header.writeUInt32LE(link, 4)
  const local = bytesOf(ip)
  return {
    header,
    attributes: [
      [ifa.local, local],
      [ifa.address, local],
    ],
  }
}

export const addressDumpHeader = (): Buffer => Buffer.alloc(ifaddrmsgLength)

export function parseAddress(data: Buffer): Address {
  const attributes = decodeAttributes(data, ifaddrmsgLength)
  const local = attributes.get(ifa.local) ?? attributes.get(ifa.address) ?? Buffer.alloc(4)
  const scope = scopeOf(data.readUInt8(3))
  return {
    link: data.readUInt32LE(4),
    cidr: `${ipFromBytes(local)}/${data.readUInt8(1)}`,
    ...(scope === undefined ? {} : { scope }),
  }
}

/** struct rtmsg and its attributes. The protocol defaults to RTPROT_BOOT, which is what hand-made routes have. */
export function encodeRoute(route: Route): { header: Buffer; attributes: Attribute[] } {
  const family = routeFamily(route)
  const destination = route.destination === 'default' ? undefined : parseInterfaceAddress(route.destination)
  const scope = scopes[route.scope ?? (route.gateway === undefined && family === AF_INET ? 'link' : 'global')]
  const header = Buffer.alloc(rtmsgLength)
  header.set([family, destination?.prefix ?? 0, 0, 0, RT_TABLE_MAIN, route.protocol ?? 3, scope, RTN_UNICAST])
  header.writeUInt32LE(route.onlink === true ? RTNH_F_ONLINK : 0, 8)
  const attributes: Attribute[] = []
  if (destination !== undefined) attributes.push([rta.dst, bytesOf(destination.ip)])
  if (route.link !== undefined) attributes.push([rta.oif, u32(route.link)])
  if (route.gateway !== undefined) attributes.push([rta.gateway, bytesOf(route.gateway)])
  if (route.source !== undefined) attributes.push([rta.prefsrc, bytesOf(route.source)])
  if (route.mtu !== undefined) attributes.push([rta.metrics, [[rtaxMtu, u32(route.mtu)]]])
  return { header, attributes }
}

function routeFamily({ destination, gateway, source }: Route): number {
  if (destination !== 'default') return familyOf(parseInterfaceAddress(destination).ip)
  const hint = gateway ?? source
  return hint === undefined ? AF_INET : familyOf(hint)
}

/** Which route to delete: its destination, and what else was named. A wrong scope or protocol would match nothing, so none is sent. */
export function encodeRouteToDelete(route: Route): { header: Buffer; attributes: Attribute[] } {
  const { header, attributes } = encodeRoute(route)
  header.writeUInt8(route.protocol ?? 0, 5)
  header.writeUInt8(route.scope === undefined ? 255 : scopes[route.scope], 6)
  header.writeUInt8(0, 7)
  header.writeUInt32LE(0, 8)
  return { header, attributes: attributes.filter(([type]) => type !== rta.metrics) }
}

/** Asks for the main table only: strict checking makes the kernel filter. */
export function routeDumpHeader(family: number): Buffer {
  const header = Buffer.alloc(rtmsgLength)
  header.set([family, 0, 0, 0, RT_TABLE_MAIN])
  return header
}

/** The route that an RTM_NEWROUTE tells of; undefined for other kinds than unicast (blackhole, local, …). */
export function parseRoute(data: Buffer): Route | undefined {
  const [family, prefix, , , , protocol, scope, type] = data
  if (type !== RTN_UNICAST) return undefined
  const attributes = decodeAttributes(data, rtmsgLength)
  const address = (attribute: number): string | undefined => {
    const bytes = attributes.get(attribute)
    return bytes === undefined ? undefined : ipFromBytes(bytes)
  }
  const [gateway, source, link] = [address(rta.gateway), address(rta.prefsrc), readU32(attributes.get(rta.oif))]
  const metrics = attributes.get(rta.metrics)
  const mtu = metrics === undefined ? undefined : readU32(decodeAttributes(metrics).get(rtaxMtu))
  const scopeName = family === AF_INET ? scopeOf(scope ?? 0) : undefined
  return {
    destination: prefix === 0 ? 'default' : `${address(rta.dst)}/${prefix}`,
    ...(gateway === undefined ? {} : { gateway }),
    ...(link === undefined ? {} : { link }),
    ...(source === undefined ? {} : { source }),
    ...(scopeName === undefined ? {} : { scope: scopeName }),
    ...((data.readUInt32LE(8) & RTNH_F_ONLINK) === 0 ? {} : { onlink: true }),
    protocol: protocol ?? 0,
    ...(mtu === undefined ? {} : { mtu }),
  }
}

/** struct ndmsg and its attributes, for a neighbour or (with `fdb`) an entry of a VXLAN's forwarding database. */
export function encodeNeighbour(entry: Neighbour, options: { readonly fdb: boolean }): { header: Buffer; attributes: Attribute[] } {
  const header = Buffer.alloc(ndmsgLength)
  header.writeUInt8(options.fdb ? AF_BRIDGE : familyOf(entry.address), 0)
  header.writeInt32LE(entry.link, 4)
  header.writeUInt16LE(entry.permanent ? NUD_PERMANENT : 0x02, 8)
  header.writeUInt8(options.fdb ? NTF_SELF : 0, 10)
  return {
    header,
    attributes: [
      [nda.dst, bytesOf(entry.address)],
      [nda.lladdr, macToBytes(entry.mac)],
    ],
  }
}

export function neighbourDumpHeader(family: number): Buffer {
  const header = Buffer.alloc(ndmsgLength)
  header.writeUInt8(family, 0)
  return header
}

/** The entry that an RTM_NEWNEIGH tells of; undefined for one without both a MAC and an address, and for multicast ones the kernel makes itself. */
export function parseNeighbour(data: Buffer): Neighbour | undefined {
  const attributes = decodeAttributes(data, ndmsgLength)
  const [address, mac] = [attributes.get(nda.dst), attributes.get(nda.lladdr)]
  const state = data.readUInt16LE(8)
  const isKernels = data.readUInt8(0) !== AF_BRIDGE && (state & NUD_NOARP) !== 0
  if (address === undefined || mac === undefined || isKernels) return undefined
  return {
    link: data.readInt32LE(4),
    mac: macFromBytes(mac),
    address: ipFromBytes(address),
    permanent: (state & NUD_PERMANENT) !== 0,
  }
}
