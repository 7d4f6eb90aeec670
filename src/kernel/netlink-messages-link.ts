import { ipFromBytes, ipToBytes, parseIp } from '../base/net/address.js'
import {
  type Attribute,
  type Attributes,
  decodeAttributes,
  macFromBytes,
  macToBytes,
  readText,
  readU16be,
  readU32,
  text,
  u8,
  u16be,
  u32,
} from './netlink-messages.js'
import type { Link, LinkChange, VxlanOptions } from './rtnetlink.js'

/** Message types of links (linux/rtnetlink.h). */
export const rtmLink = { new: 16, delete: 17, get: 18, set: 19 } as const

export const AF_BRIDGE = 7
const IFF_UP = 1

const ifla = {
  address: 1,
  ifname: 3,
  mtu: 4,
  link: 5,
  master: 10,
  protinfo: 12,
  linkinfo: 18,
  ifalias: 20,
  group: 27,
  netNsFd: 28,
  extMask: 29,
} as const
const infoAttribute = { kind: 1, data: 2 } as const
const vethInfoPeer = 1
const vxlanAttribute = { id: 1, link: 3, local: 4, learning: 7, port: 15, local6: 17, udpCsum: 18 } as const
const bridgePort = { mode: 4, learning: 8 } as const
const ifinfomsgLength = 16

/** struct ifinfomsg; `flags` of 0 leaves the flags alone. */
export function ifinfomsg(fields: { readonly family?: number; readonly index?: number; readonly up?: boolean | undefined } = {}): Buffer {
  const bytes = Buffer.alloc(ifinfomsgLength)
  bytes.writeUInt8(fields.family ?? 0, 0)
  bytes.writeInt32LE(fields.index ?? 0, 4)
  bytes.writeUInt32LE(fields.up === true ? IFF_UP : 0, 8)
  bytes.writeUInt32LE(fields.up === undefined ? 0 : IFF_UP, 12)
  return bytes
}

/** Keeps per-queue statistics and SR-IOV data out of dumps (RTEXT_FILTER_SKIP_STATS). */
export const withoutStatistics: Attribute = [ifla.extMask, u32(1 << 3)]

export const linkNamed = (name: string): Attribute => [ifla.ifname, text(name)]

/** The attributes by which a link is made or changed. */
export function linkAttributes(change: Omit<LinkChange, 'up'>): Attribute[] {
  const attributes: Attribute[] = []
  if (change.netnsFd !== undefined) attributes.push([ifla.netNsFd, u32(change.netnsFd)])
  if (change.name !== undefined) attributes.push(linkNamed(change.name))
  if (change.mac !== undefined) attributes.push([ifla.address, macToBytes(change.mac)])
  if (change.mtu !== undefined) attributes.push([ifla.mtu, u32(change.mtu)])
  // Without the NUL: the kernel keeps an alias by its length.
  if (change.alias !== undefined) attributes.push([ifla.ifalias, Buffer.from(change.alias)])
  if (change.group !== undefined) attributes.push([ifla.group, u32(change.group)])
  if (change.master !== undefined) attributes.push([ifla.master, u32(change.master)])
  return attributes
}

/** The kind of a link that needs no more said of it. */
export const linkKind = (kind: 'bridge' | 'dummy'): Attribute => [ifla.linkinfo, [[infoAttribute.kind, text(kind)]]]

/** `peer` becomes the other end, with attributes of its own. */
export const vethInfo = (peer: Omit<LinkChange, 'up'>): Attribute => [
  ifla.linkinfo,
  [
    [infoAttribute.kind, text('veth')],
    [infoAttribute.data, [[vethInfoPeer, Buffer.concat([ifinfomsg(), encodePeer(peer)])]]],
  ],
]

/** VETH_INFO_PEER holds a fixed header and then attributes, so it is no plain nest. */
function encodePeer(peer: Omit<LinkChange, 'up'>): Buffer {
  return Buffer.concat(
    linkAttributes(peer).map(([type, value]) => {
      const data = Buffer.from(value as Uint8Array)
      const bytes = Buffer.alloc((4 + data.length + 3) & ~3)
      bytes.writeUInt16LE(4 + data.length, 0)
      bytes.writeUInt16LE(type, 2)
      data.copy(bytes, 4)
      return bytes
    }),
  )
}

/** Outer UDP checksums stay zero, as RFC 7348 asks: there is then none that offloading can get wrong. */
export function vxlanInfo(vxlan: Omit<VxlanOptions, 'learning'>): Attribute {
  const local = ipToBytes(parseIp(vxlan.local))
  return [
    ifla.linkinfo,
    [
      [infoAttribute.kind, text('vxlan')],
      [
        infoAttribute.data,
        [
          [vxlanAttribute.id, u32(vxlan.vni)],
          [vxlanAttribute.link, u32(vxlan.underlyingLink)],
          [local.length === 4 ? vxlanAttribute.local : vxlanAttribute.local6, local],
          [vxlanAttribute.learning, u8(0)],
          [vxlanAttribute.port, u16be(vxlan.port)],
          ...(local.length === 4 ? [[vxlanAttribute.udpCsum, u8(0)] as const] : []),
        ],
      ],
    ],
  ]
}

export function bridgePortAttributes(change: { readonly hairpin?: boolean; readonly learning?: boolean }): Attribute {
  const attributes: Attribute[] = []
  if (change.hairpin !== undefined) attributes.push([bridgePort.mode, u8(Number(change.hairpin))])
  if (change.learning !== undefined) attributes.push([bridgePort.learning, u8(Number(change.learning))])
  return [ifla.protinfo, attributes]
}

/** The link that an RTM_NEWLINK tells of. */
export function parseLink(data: Buffer): Link {
  const attributes = decodeAttributes(data, ifinfomsgLength)
  const info = nested(attributes.get(ifla.linkinfo))
  const kind = readText(info.get(infoAttribute.kind))
  const mac = attributes.get(ifla.address)
  return {
    index: data.readInt32LE(4),
    name: readText(attributes.get(ifla.ifname)) ?? '',
    kind,
    mac: mac === undefined ? '' : macFromBytes(mac),
    mtu: readU32(attributes.get(ifla.mtu)) ?? 0,
    isUp: (data.readUInt32LE(8) & IFF_UP) !== 0,
    master: readU32(attributes.get(ifla.master)),
    peer: kind === 'veth' ? readU32(attributes.get(ifla.link)) : undefined,
    alias: readText(attributes.get(ifla.ifalias)),
    group: readU32(attributes.get(ifla.group)) ?? 0,
    vxlan: kind === 'vxlan' ? parseVxlan(nested(info.get(infoAttribute.data))) : undefined,
  }
}

function parseVxlan(attributes: Attributes): VxlanOptions {
  const local = attributes.get(vxlanAttribute.local) ?? attributes.get(vxlanAttribute.local6)
  return {
    vni: readU32(attributes.get(vxlanAttribute.id)) ?? 0,
    port: readU16be(attributes.get(vxlanAttribute.port)) ?? 0,
    local: local === undefined ? '' : ipFromBytes(local),
    underlyingLink: readU32(attributes.get(vxlanAttribute.link)) ?? 0,
    learning: attributes.get(vxlanAttribute.learning)?.readUInt8(0) === 1,
  }
}

const nested = (data: Buffer | undefined): Attributes => (data === undefined ? new Map() : decodeAttributes(data))
