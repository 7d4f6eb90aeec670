import { type Ip, ipFamily, ipFromBytes, ipToBytes } from '../base/net/address.js'
import type { Destination, DestinationState, IpvsTimeouts, VirtualServer, VirtualServerKey } from './ipvs.js'
import { type Attribute, type Attributes, decodeAttributes, readText, readU16be, readU32, text, u16be, u32 } from './netlink-messages.js'

/** The generic netlink family of IPVS, its commands and attributes (linux/ip_vs.h). */
export const ipvsFamily = { name: 'IPVS', version: 1 } as const

export const ipvsCommand = {
  newService: 1,
  setService: 2,
  deleteService: 3,
  getService: 4,
  newDestination: 5,
  setDestination: 6,
  deleteDestination: 7,
  getDestination: 8,
  setConfig: 12,
  getConfig: 13,
  getInfo: 15,
  flush: 17,
} as const

const commandAttribute = { service: 1, destination: 2, timeoutTcp: 4, timeoutTcpFin: 5, timeoutUdp: 6 } as const
const serviceAttribute = {
  family: 1,
  protocol: 2,
  address: 3,
  port: 4,
  firewallMark: 5,
  scheduler: 6,
  flags: 7,
  timeout: 8,
  netmask: 9,
} as const
const destinationAttribute = {
  address: 1,
  port: 2,
  forwarding: 3,
  weight: 4,
  upperThreshold: 5,
  lowerThreshold: 6,
  activeConnections: 7,
  inactiveConnections: 8,
  family: 11,
} as const
const infoAttribute = { version: 1, connectionTableSize: 2 } as const

const serviceFlag = { persistent: 0x1, hashesPort: 0x10 } as const
const masquerading = 0
const addressLength = 16
const families = { 4: 2, 6: 10 } as const
const protocols = { tcp: 6, udp: 17, sctp: 132 } as const

/** The attribute that names a virtual server. */
export const encodeServerKey = ({ protocol, address, port }: VirtualServerKey): Attribute => [
  commandAttribute.service,
  [
    [serviceAttribute.family, u16(families[ipFamily(address)])],
    [serviceAttribute.protocol, u16(protocols[protocol])],
    [serviceAttribute.address, inetAddress(address)],
    [serviceAttribute.port, u16be(port)],
  ],
]

/** The attribute that tells all of a virtual server. The netmask has it that each client's address counts by itself. */
export function encodeServer(server: VirtualServer): Attribute {
  const [type, key] = encodeServerKey(server)
  const { scheduler, hashesPort, persistenceSeconds } = server
  const flags = (persistenceSeconds === undefined ? 0 : serviceFlag.persistent) | (hashesPort ? serviceFlag.hashesPort : 0)
  return [
    type,
    [
      ...(key as readonly Attribute[]),
      [serviceAttribute.scheduler, text(scheduler)],
      // The flags, and which of them count.
      [serviceAttribute.flags, Buffer.concat([u32(flags), u32(0xffffffff)])],
      [serviceAttribute.timeout, u32(persistenceSeconds ?? 0)],
      [serviceAttribute.netmask, ipFamily(server.address) === 4 ? Buffer.from([255, 255, 255, 255]) : u32(128)],
    ],
  ]
}

/** The attribute that names a destination. */
export const encodeDestinationKey = ({ address, port }: Omit<Destination, 'weight'>): Attribute => [
  commandAttribute.destination,
  [
    [destinationAttribute.address, inetAddress(address)],
    [destinationAttribute.port, u16be(port)],
    [destinationAttribute.family, u16(families[ipFamily(address)])],
  ],
]

/** The attribute that tells all of a destination; it takes any number of connections. */
export function encodeDestination(destination: Destination): Attribute {
  const [type, key] = encodeDestinationKey(destination)
  return [
    type,
    [
      ...(key as readonly Attribute[]),
      [destinationAttribute.forwarding, u32(masquerading)],
      [destinationAttribute.weight, u32(destination.weight)],
      [destinationAttribute.upperThreshold, u32(0)],
      [destinationAttribute.lowerThreshold, u32(0)],
    ],
  ]
}

/** What is 0 is not said, and so left alone. */
export const encodeTimeouts = ({ tcp, tcpFin, udp }: IpvsTimeouts): readonly Attribute[] =>
  ([[commandAttribute.timeoutTcp, tcp] as const, [commandAttribute.timeoutTcpFin, tcpFin], [commandAttribute.timeoutUdp, udp]] as const)
    .filter(([, seconds]) => seconds > 0)
    .map(([type, seconds]) => [type, u32(seconds)])

export function parseTimeouts(answer: Buffer): IpvsTimeouts {
  const attributes = decodeAttributes(answer)
  const seconds = (type: number): number => readU32(attributes.get(type)) ?? 0
  return {
    tcp: seconds(commandAttribute.timeoutTcp),
    tcpFin: seconds(commandAttribute.timeoutTcpFin),
    udp: seconds(commandAttribute.timeoutUdp),
  }
}

/** The virtual server that an answer tells of; undefined for one by firewall mark. */
export function parseServer(answer: Buffer): VirtualServer | undefined {
  const attributes = nested(answer, commandAttribute.service)
  const protocol = attributes.get(serviceAttribute.protocol)?.readUInt16LE(0)
  const name = (Object.keys(protocols) as (keyof typeof protocols)[]).find(name => protocols[name] === protocol)
  const address = readAddress(attributes, serviceAttribute)
  if (name === undefined || address === undefined || attributes.has(serviceAttribute.firewallMark)) return undefined
  const flags = readU32(attributes.get(serviceAttribute.flags)) ?? 0
  const persistence =
    (flags & serviceFlag.persistent) === 0 ? {} : { persistenceSeconds: readU32(attributes.get(serviceAttribute.timeout))! }
  return {
    protocol: name,
    address,
    port: readU16be(attributes.get(serviceAttribute.port)) ?? 0,
    scheduler: readText(attributes.get(serviceAttribute.scheduler)) ?? '',
    hashesPort: (flags & serviceFlag.hashesPort) !== 0,
    ...persistence,
  }
}

/** The destination that an answer tells of; undefined for one that IPVS does not masquerade, which is none of ours. */
export function parseDestination(answer: Buffer): DestinationState | undefined {
  const attributes = nested(answer, commandAttribute.destination)
  const number = (type: number): number => readU32(attributes.get(type)) ?? 0
  const address = readAddress(attributes, destinationAttribute)
  if (address === undefined || (number(destinationAttribute.forwarding) & 0x7) !== masquerading) return undefined
  return {
    address,
    port: readU16be(attributes.get(destinationAttribute.port)) ?? 0,
    weight: number(destinationAttribute.weight),
    activeConnections: number(destinationAttribute.activeConnections),
    inactiveConnections: number(destinationAttribute.inactiveConnections),
  }
}

export function parseInfo(answer: Buffer): { readonly version: string; readonly connectionTableSize: number } {
  const attributes = decodeAttributes(answer)
  const version = readU32(attributes.get(infoAttribute.version)) ?? 0
  return {
    version: [version >> 16, version >> 8, version].map(part => part & 0xff).join('.'),
    connectionTableSize: readU32(attributes.get(infoAttribute.connectionTableSize)) ?? 0,
  }
}

const u16 = (value: number): Buffer => Buffer.from([value & 0xff, value >> 8])

/** union nf_inet_addr: an IPv4 address stands in its first four bytes. */
function inetAddress(ip: Ip): Buffer {
  const bytes = Buffer.alloc(addressLength)
  bytes.set(ipToBytes(ip))
  return bytes
}

function readAddress(attributes: Attributes, types: { readonly address: number; readonly family: number }): Ip | undefined {
  const bytes = attributes.get(types.address)
  const family = attributes.get(types.family)?.readUInt16LE(0)
  return bytes === undefined ? undefined : ipFromBytes(bytes.subarray(0, family === families[6] ? addressLength : 4))
}

function nested(answer: Buffer, type: number): Attributes {
  const bytes = decodeAttributes(answer).get(type)
  return bytes === undefined ? new Map() : decodeAttributes(bytes)
}
