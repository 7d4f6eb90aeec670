import { linkTypes } from '../base/net/packet.js'

const ethernetLength = 14
const ipv4Length = 20
const udpLength = 8
const vxlanLength = 8
const tcpLength = 20

/**
 * A libpcap file of `count` TCP segments between Pods of two nodes as the underlay carries them: Ethernet, IPv4, UDP, VXLAN,
 * Ethernet, IPv4, TCP. Ports and sequence numbers differ from packet to packet; addresses are those of the default lab.
 */
export function capturedRequests(count: number): Buffer {
  const inner = ethernetLength + ipv4Length + tcpLength
  const length = ethernetLength + ipv4Length + udpLength + vxlanLength + inner
  const file = Buffer.alloc(24 + count * (16 + length))
  // Microseconds, version 2.4, snap length, link type.
  file.writeUInt32LE(0xa1b2c3d4, 0)
  file.writeUInt16LE(2, 4)
  file.writeUInt16LE(4, 6)
  file.writeUInt32LE(262_144, 16)
  file.writeUInt32LE(linkTypes.ethernet, 20)
  for (let i = 0; i < count; i++) {
    const record = 24 + i * (16 + length)
    file.writeUInt32LE(1_790_000_000 + Math.floor(i / 1000), record)
    file.writeUInt32LE((i % 1000) * 1000, record + 4)
    file.writeUInt32LE(length, record + 8)
    file.writeUInt32LE(length, record + 12)
    const frame = file.subarray(record + 16, record + 16 + length)
    const udp = writeIpv4(frame, { src: [172, 30, 0, 11], dst: [172, 30, 0, 12], protocol: 17 })
    udp.writeUInt16BE(32_768 + (i % 28_232), 0)
    udp.writeUInt16BE(4789, 2)
    udp.writeUInt16BE(udp.length, 4)
    const vxlan = udp.subarray(udpLength)
    vxlan.writeUInt8(0x08, 0)
    vxlan.writeUIntBE(1, 4, 3)
    const tcp = writeIpv4(vxlan.subarray(vxlanLength), { src: [10, 244, 1, 5], dst: [10, 244, 2, 9], protocol: 6 })
    tcp.writeUInt16BE(32_768 + (i % 28_232), 0)
    tcp.writeUInt16BE(8080, 2)
    tcp.writeUInt32BE(i, 4)
    tcp.writeUInt8(0x50, 12)
    tcp.writeUInt8(0x02, 13)
    tcp.writeUInt16BE(64_240, 14)
  }
  return file
}

interface Ipv4Packet {
  readonly src: readonly number[]
  readonly dst: readonly number[]
  readonly protocol: number
}

/** Writes Ethernet and IPv4 headers over the whole of `frame` and returns what is left for the next header. */
function writeIpv4(frame: Buffer, { src, dst, protocol }: Ipv4Packet): Buffer {
  frame.set([2, 0, 0, 0, 0, 11, 2, 0, 0, 0, 0, 10, 0x08, 0x00])
  const ip = frame.subarray(ethernetLength)
  ip.writeUInt8(0x45, 0)
  ip.writeUInt16BE(ip.length, 2)
  ip.writeUInt16BE(0x4000, 6)
  ip.writeUInt8(64, 8)
  ip.writeUInt8(protocol, 9)
  ip.set(src, 12)
  ip.set(dst, 16)
  return ip.subarray(ipv4Length)
}
