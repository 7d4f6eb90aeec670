/** Builds frames byte by byte, as the other side of the decoder's tests. */

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))
const be16 = (n: number): number[] => [(n >> 8) & 0xff, n & 0xff]
const be32 = (n: number): number[] => [...be16(n >>> 16), ...be16(n & 0xffff)]
const macBytes = (mac: string): number[] => mac.split(':').map(byte => Number.parseInt(byte, 16))
const ip4Bytes = (ip: string): number[] => ip.split('.').map(Number)

export const macA = '02:00:00:00:00:0a'
export const macB = '02:00:00:00:00:0b'

export function ethernet({ src = macA, dst = macB, etherType = 0x0800, vlans = [] as readonly number[] }, payload: Uint8Array): Uint8Array {
  const tags = vlans.flatMap(vlan => [0x81, 0x00, ...be16(vlan)])
  return concat(Uint8Array.from([...macBytes(dst), ...macBytes(src), ...tags, ...be16(etherType)]), payload)
}

export function sll2({ etherType = 0x0800, ifindex = 3, packetType = 0, src = macA, deviceType = 1 }, payload: Uint8Array): Uint8Array {
  const header = [...be16(etherType), 0, 0, ...be32(ifindex), ...be16(deviceType), packetType, 6, ...macBytes(src), 0, 0]
  return concat(Uint8Array.from(header), payload)
}

export interface Ipv4Fields {
  readonly src?: string
  readonly dst?: string
  readonly ttl?: number
  readonly protocol: number
  readonly id?: number
  /** The 16 bits of flags and fragment offset. */
  readonly fragment?: number
  readonly options?: readonly number[]
}

export function ipv4(fields: Ipv4Fields, payload: Uint8Array): Uint8Array {
  const { src = '10.244.1.5', dst = '10.244.2.9', ttl = 64, protocol, id = 1, fragment = 0x4000, options = [] } = fields
  const header = Uint8Array.from([
    0x40 | (5 + options.length / 4),
    0,
    ...be16(20 + options.length + payload.length),
    ...be16(id),
    ...be16(fragment),
    ttl,
    protocol,
    0,
    0,
    ...ip4Bytes(src),
    ...ip4Bytes(dst),
    ...options,
  ])
  header.set(be16(checksum(header)), 10)
  return concat(header, payload)
}

/** `next` is the type of the first header in `payload`. */
export function ipv6(
  { src, dst, next, hopLimit = 64, label = 0 }: { src: Uint8Array; dst: Uint8Array; next: number; hopLimit?: number; label?: number },
  payload: Uint8Array,
) {
  return concat(Uint8Array.from([...be32(0x6000_0000 + label), ...be16(payload.length), next, hopLimit]), src, dst, payload)
}

export interface TcpFields {
  readonly sport?: number
  readonly dport?: number
  readonly seq?: number
  readonly ack?: number
  readonly flags?: number
  readonly options?: readonly number[]
}

export function tcp(
  { sport = 41000, dport = 8080, seq = 1000, ack = 0, flags = 0x02, options = [] }: TcpFields,
  payload: Uint8Array = new Uint8Array(),
) {
  const offset = (5 + options.length / 4) << 4
  return concat(
    Uint8Array.from([...be16(sport), ...be16(dport), ...be32(seq), ...be32(ack), offset, flags, ...be16(64240), 0, 0, 0, 0, ...options]),
    payload,
  )
}

export function udp({ sport = 41000, dport = 9001 }, payload: Uint8Array): Uint8Array {
  return concat(Uint8Array.from([...be16(sport), ...be16(dport), ...be16(8 + payload.length), 0, 0]), payload)
}

export function icmp({ type = 8, code = 0, rest = [0, 7, 0, 1] as readonly number[] }, payload: Uint8Array): Uint8Array {
  const bytes = concat(Uint8Array.from([type, code, 0, 0, ...rest]), payload)
  bytes.set(be16(checksum(bytes)), 2)
  return bytes
}

export function arp({ operation = 1, senderIp = '10.244.1.5', targetIp = '10.244.1.1' }): Uint8Array {
  return Uint8Array.from([
    0,
    1,
    8,
    0,
    6,
    4,
    ...be16(operation),
    ...macBytes(macA),
    ...ip4Bytes(senderIp),
    ...macBytes(macB),
    ...ip4Bytes(targetIp),
  ])
}

export function vxlan({ vni = 1, flags = 0x08 }, inner: Uint8Array): Uint8Array {
  return concat(Uint8Array.from([flags, 0, 0, 0, ...be32(vni * 256)]), inner)
}

export const text = (content: string): Uint8Array => new TextEncoder().encode(content)

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
