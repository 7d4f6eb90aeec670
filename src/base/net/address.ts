import { PodwireError } from '../errors/podwire-error.js'

/** An IPv4 or IPv6 address in its canonical text (RFC 5952 for IPv6). Made by `parseIp` only, so it may stand in rule text. */
export type Ip = string & { readonly __brand: 'Ip' }

/** A range of addresses in canonical text, `10.244.0.0/16`, without host bits. Made by `parseCidr` only. */
export type Cidr = string & { readonly __brand: 'Cidr' }

export type IpFamily = 4 | 6

/** An address of an interface together with the range it says is on the link: `10.244.1.5/24`. */
export interface InterfaceAddress {
  readonly ip: Ip
  readonly prefix: number
  readonly cidr: Cidr
}

const bitsOf = (family: IpFamily): number => (family === 4 ? 32 : 128)

/** The canonical form of an IPv4 or IPv6 address; CONFIG_INVALID for any other text (also for zones and octets with leading zeros). */
export function parseIp(text: string): Ip {
  const bytes = parseIpBytes(text)
  if (bytes === undefined) throw notAn('IP address', text, 'Write an address such as 10.244.1.5 or fd00::5.')
  return ipFromBytes(bytes)
}

/** Whether `parseIp` accepts `text`. */
export const isIp = (text: string): boolean => parseIpBytes(text) !== undefined

/** The IPv4 address that a socket of both families shows as `::ffff:10.244.1.2` (RFC 4291, section 2.5.5.2); other text as it is. */
export const withoutMapping = (text: string): string => text.replace(/^::ffff:(?=[\d.]+$)/, '')

export const ipFamily = (ip: Ip): IpFamily => (ip.includes(':') ? 6 : 4)

/** The address in network byte order: 4 or 16 bytes. */
export function ipToBytes(ip: Ip): Uint8Array {
  const bytes = parseIpBytes(ip)
  if (bytes === undefined) throw notAn('IP address', ip, 'Parse text with parseIp first.')
  return bytes
}

/** How many bits two addresses of one family begin with that are the same. */
export function commonPrefixLength(a: Ip, b: Ip): number {
  const [left, right] = [ipToBytes(a), ipToBytes(b)]
  const at = left.findIndex((byte, i) => byte !== right[i])
  return at < 0 ? left.length * 8 : at * 8 + Math.clz32((left[at]! ^ right[at]!) << 24)
}

/** The address that 4 or 16 bytes in network byte order stand for. */
export function ipFromBytes(bytes: Uint8Array): Ip {
  return (bytes.length === 4 ? bytes.join('.') : formatIpv6(bytes)) as Ip
}

/** A range as `10.244.0.0/16`; CONFIG_INVALID for other text and for one with host bits set, which the error shows how to write. */
export function parseCidr(text: string): Cidr {
  const { ip, prefix, cidr } = parseInterfaceAddress(text)
  if (`${ip}/${prefix}` !== cidr) {
    throw new PodwireError('CONFIG_INVALID', `${text} is not a range: bits after the prefix are set`, { hint: `Write ${cidr}.` })
  }
  return cidr
}

/** An address with its prefix length, host bits allowed: `10.244.1.5/24`. */
export function parseInterfaceAddress(text: string): InterfaceAddress {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text)
  const bytes = match?.[1] === undefined ? undefined : parseIpBytes(match[1])
  const prefix = Number(match?.[2])
  if (bytes === undefined || prefix > bytes.length * 8) {
    throw notAn('address with a prefix length', text, 'Write a range such as 10.244.0.0/16 or fd00::/64.')
  }
  const ip = ipFromBytes(bytes)
  const family = ipFamily(ip)
  const hostBits = BigInt(bitsOf(family) - prefix)
  const base = (toNumber(bytes) >> hostBits) << hostBits
  return { ip, prefix, cidr: `${fromNumber(base, family)}/${prefix}` as Cidr }
}

/** Its first address, prefix length and family. */
export function cidrParts(cidr: Cidr): { readonly base: Ip; readonly prefix: number; readonly family: IpFamily } {
  const slash = cidr.indexOf('/')
  const base = cidr.slice(0, slash) as Ip
  return { base, prefix: Number(cidr.slice(slash + 1)), family: ipFamily(base) }
}

/** How many addresses the range has. */
export function cidrSize(cidr: Cidr): bigint {
  const { prefix, family } = cidrParts(cidr)
  return 1n << BigInt(bitsOf(family) - prefix)
}

/** Whether the address lies in the range; addresses of the other family do not. */
export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  const { base, prefix, family } = cidrParts(cidr)
  if (ipFamily(ip) !== family) return false
  const hostBits = BigInt(bitsOf(family) - prefix)
  return ipToNumber(ip) >> hostBits === ipToNumber(base) >> hostBits
}

/** Whether the two ranges have an address in common. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return cidrContains(a, cidrParts(b).base) || cidrContains(b, cidrParts(a).base)
}

/** The address `n` places after the first of the range (0 is the first); ADDRESS_EXHAUSTED outside the range. */
export function nthAddress(cidr: Cidr, n: number | bigint): Ip {
  const { base, family } = cidrParts(cidr)
  const offset = BigInt(n)
  if (offset < 0n || offset >= cidrSize(cidr)) {
    throw new PodwireError('ADDRESS_EXHAUSTED', `${cidr} has ${cidrSize(cidr)} addresses; number ${offset} is not one of them`)
  }
  return fromNumber(ipToNumber(base) + offset, family)
}

/** The `n`-th range of `prefix` bits inside `cidr`; ADDRESS_EXHAUSTED when there is none. */
export function nthSubnet(cidr: Cidr, prefix: number, n: number): Cidr {
  const { prefix: outer, family } = cidrParts(cidr)
  if (prefix < outer || prefix > bitsOf(family) || n < 0 || BigInt(n) >= 1n << BigInt(prefix - outer)) {
    throw new PodwireError('ADDRESS_EXHAUSTED', `${cidr} has no range number ${n} of /${prefix}`)
  }
  return `${nthAddress(cidr, BigInt(n) << BigInt(bitsOf(family) - prefix))}/${prefix}` as Cidr
}

/** How many places `ip` lies after the first address of `cidr`; undefined outside it. */
export function indexInCidr(cidr: Cidr, ip: Ip): bigint | undefined {
  const { base, prefix, family } = cidrParts(cidr)
  if (ipFamily(ip) !== family) return undefined
  const index = ipToNumber(ip) - ipToNumber(base)
  return index >= 0n && index >> BigInt(bitsOf(family) - prefix) === 0n ? index : undefined
}

/** The address as a number, for arithmetic and ordering within one family. */
export const ipToNumber = (ip: Ip): bigint => toNumber(ipToBytes(ip))

function toNumber(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return bytes.length === 4 ? BigInt(view.getUint32(0)) : (view.getBigUint64(0) << 64n) | view.getBigUint64(8)
}

function fromNumber(number: bigint, family: IpFamily): Ip {
  const bytes = new Uint8Array(bitsOf(family) / 8)
  const view = new DataView(bytes.buffer)
  if (family === 4) view.setUint32(0, Number(number))
  else {
    view.setBigUint64(0, number >> 64n)
    view.setBigUint64(8, BigInt.asUintN(64, number))
  }
  return ipFromBytes(bytes)
}

function parseIpBytes(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** Leading zeros are refused: some programs read `010` as octal. */
function parseIpv4(text: string): Uint8Array | undefined {
  const octets = text.split('.')
  if (octets.length !== 4 || !octets.every(octet => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255)) return undefined
  return Uint8Array.from(octets, Number)
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(parseIpv6Groups)
  if (head === undefined) return undefined
  if (halves.length === 1) return head.length === 16 ? Uint8Array.from(head) : undefined
  if (tail === undefined || head.length + tail.length > 14) return undefined
  // Only the last part of the whole address may be dotted.
  if (halves[0]?.includes('.')) return undefined
  return Uint8Array.from([...head, ...Array<number>(16 - head.length - tail.length).fill(0), ...tail])
}

function parseIpv6Groups(text: string): number[] | undefined {
  if (text === '') return []
  const groups = text.split(':')
  const bytes: number[] = []
  for (const [i, group] of groups.entries()) {
    const dotted = i === groups.length - 1 && group.includes('.') ? parseIpv4(group) : undefined
    if (dotted !== undefined) bytes.push(...dotted)
    else if (/^[0-9a-f]{1,4}$/i.test(group)) bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff)
    else return undefined
  }
  return bytes
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) written as `::`. */
function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16))
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (groups[start + length] === '0') length++
    if (length > best.length) best = { start, length }
  }
  const isMapped = best.start === 0 && best.length === 5 && groups[5] === 'ffff'
  if (isMapped) return `::ffff:${bytes.subarray(12).join('.')}`
  if (best.length < 2) return groups.join(':')
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`
}

const notAn = (what: string, text: string, hint: string): PodwireError =>
  new PodwireError('CONFIG_INVALID', `"${text}" is not an ${what}`, { hint })
