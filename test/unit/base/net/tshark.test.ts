/** tshark as oracle: what our writer wrote it opens, and what our decoder read it reads too. Skips where tshark is not installed. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

import { decodePacket } from '../../../../src/base/net/decode-packet.js'
import { type ipOf, linkTypes, type Packet } from '../../../../src/base/net/packet.js'
import { PcapngWriter } from '../../../../src/base/net/pcapng.js'
import { arp, concat, ethernet, icmp, ipv4, ipv6, sll2, tcp, text, udp, vxlan } from '../../../support/frames.js'

const ip6 = (last: number): Uint8Array => Uint8Array.from([0xfd, ...Array<number>(14).fill(0), last])
const syn = tcp({ seq: 123456, options: [2, 4, 5, 0xb4] })

const cooked = [
  sll2({ ifindex: 7, packetType: 4 }, ipv4({ protocol: 6, ttl: 63, id: 4242 }, syn)),
  sll2({ ifindex: 8 }, ipv4({ protocol: 17, options: [1, 1, 1, 0] }, udp({ sport: 5353, dport: 9001 }, text('nonce')))),
  sll2({ ifindex: 2, packetType: 3 }, ipv4({ protocol: 1 }, icmp({ rest: [1, 2, 3, 4] }, text('ping')))),
]
const wired = [
  ethernet({}, ipv4({ protocol: 6, src: '10.96.0.10' }, tcp({ flags: 0x12, seq: 0xdeadbeef, ack: 123457 }))),
  ethernet({ etherType: 0x0806 }, arp({ operation: 2 })),
  ethernet({ vlans: [42] }, ipv4({ protocol: 17, fragment: 0x2000, id: 9 }, udp({}, new Uint8Array(8)))),
  ethernet(
    { etherType: 0x86dd },
    ipv6(
      { src: ip6(1), dst: ip6(2), next: 0, hopLimit: 17 },
      concat(Uint8Array.from([6, 0, 5, 2, 0, 0, 1, 0]), tcp({ flags: 0x18 }, text('x'))),
    ),
  ),
  ethernet(
    {},
    ipv4(
      { protocol: 17, src: '172.30.0.11', dst: '172.30.0.12', ttl: 64 },
      udp({ sport: 50000, dport: 4789 }, vxlan({ vni: 77 }, ethernet({}, ipv4({ protocol: 6, ttl: 63 }, syn)))),
    ),
  ),
]

const fields = [
  'frame.interface_name',
  'frame.time_epoch',
  'frame.comment',
  'frame.packet_flags_direction',
  'sll.ifindex',
  'eth.src',
  'eth.dst',
  'vlan.id',
  'arp.opcode',
  'arp.src.proto_ipv4',
  'ip.src',
  'ip.dst',
  'ip.ttl',
  'ip.id',
  'ip.flags.mf',
  'ipv6.src',
  'ipv6.hlim',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.seq_raw',
  'tcp.len',
  'udp.srcport',
  'udp.dstport',
  'icmp.type',
  'icmp.ident',
  'icmp.seq',
  'vxlan.vni',
] as const

t.test('tshark agrees, field by field', async t => {
  const blocks: Uint8Array[] = []
  const writer = new PcapngWriter({ application: 'podwire', comment: 'oracle' }, block => blocks.push(block))
  const bridge = writer.addInterface({ name: 'node-1/cni0', linkType: linkTypes.sll2, description: 'bridge' })
  const frames = cooked.map((bytes, i) => {
    const frame = writer.addFrame({
      interfaceId: bridge,
      timeNs: 1_700_000_000_000_000_001n + BigInt(i),
      bytes,
      originalLength: bytes.length,
      direction: 'out',
      comment: `hop ${i}`,
    })
    return { frame, packet: decodePacket(bytes, linkTypes.sll2), name: 'node-1/cni0' }
  })
  const wire = writer.addInterface({ name: 'shop/web-1/eth0', linkType: linkTypes.ethernet })
  for (const [i, bytes] of wired.entries()) {
    const frame = writer.addFrame({
      interfaceId: wire,
      timeNs: 1_700_000_001_000_000_000n + BigInt(i),
      bytes,
      originalLength: bytes.length,
      direction: 'in',
    })
    frames.push({ frame, packet: decodePacket(bytes, linkTypes.ethernet), name: 'shop/web-1/eth0' })
  }
  t.throws(() => writer.addFrame({ interfaceId: 9, timeNs: 0n, bytes: new Uint8Array(), originalLength: 0 }), RangeError)

  const file = join(t.testdir(), 'run.pcapng')
  writeFileSync(file, Buffer.concat(blocks))
  const { stdout, stderr, status } = spawnSync(
    'tshark',
    ['-r', file, '-o', 'ip.defragment:FALSE', '-T', 'fields', '-E', 'occurrence=a', ...fields.flatMap(field => ['-e', field])],
    { encoding: 'utf8' },
  )
  t.equal(status, 0, stderr)
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map(line => {
      const cells = line.split('\t')
      return Object.fromEntries(fields.map((field, i) => [field, cells[i] ?? '']))
    })
  t.equal(rows.length, frames.length)
  for (const { frame, packet, name } of frames) {
    const row = rows[frame - 1]!
    t.equal(row['frame.interface_name'], name, `frame ${frame}: interface`)
    t.strictSame(
      asTshark(packet),
      Object.fromEntries(Object.entries(row).filter(([field]) => !field.startsWith('frame.'))),
      `frame ${frame}: headers`,
    )
  }
  t.equal(rows[0]!['frame.time_epoch'], '1700000000.000000001', 'nanoseconds survive')
  t.equal(rows[0]!['frame.comment'], 'hop 0')
  t.equal(Number(rows[0]!['frame.packet_flags_direction']), 2)
})

/** Our packet in tshark's fields; an encapsulated packet's values follow the outer ones after a comma. */
function asTshark(
  packet: Packet,
): Record<(typeof fields)[number] extends infer F ? Exclude<F, `frame.${string}`> & string : never, string> {
  const layers: Packet[] = []
  for (let layer: Packet | undefined = packet; layer; layer = layer.vxlan?.inner) layers.push(layer)
  const join = (pick: (layer: Packet) => string | number | undefined): string => layers.flatMap(layer => pick(layer) ?? []).join(',')
  const hex4 = (number: number): string => `0x${number.toString(16).padStart(4, '0')}`
  const v4 = <T>(layer: Packet, pick: (ip: NonNullable<ReturnType<typeof ipOf>>) => T): T | undefined =>
    layer.network?.kind === 'ipv4' ? pick(layer.network) : undefined
  const tcpOf = (layer: Packet) => (layer.transport?.kind === 'tcp' ? layer.transport : undefined)
  const udpOf = (layer: Packet) => (layer.transport?.kind === 'udp' ? layer.transport : undefined)
  const icmpOf = (layer: Packet) => (layer.transport?.kind === 'icmp' ? layer.transport : undefined)
  return {
    'sll.ifindex': join(({ link }) => (link.kind === 'sll2' ? link.ifindex : undefined)),
    'eth.src': join(({ link }) => (link.kind === 'ethernet' ? link.src : undefined)),
    'eth.dst': join(({ link }) => (link.kind === 'ethernet' ? link.dst : undefined)),
    'vlan.id': join(({ link }) => (link.kind === 'ethernet' ? link.vlans[0] : undefined)),
    'arp.opcode': join(({ network }) => (network?.kind === 'arp' ? network.operation : undefined)),
    'arp.src.proto_ipv4': join(({ network }) => (network?.kind === 'arp' ? network.senderIp : undefined)),
    'ip.src': join(layer => v4(layer, ip => ip.src)),
    'ip.dst': join(layer => v4(layer, ip => ip.dst)),
    'ip.ttl': join(layer => v4(layer, ip => ip.ttl)),
    'ip.id': join(layer => v4(layer, ip => hex4(ip.id ?? 0))),
    'ip.flags.mf': join(layer => v4(layer, ip => (ip.fragment?.more ? 1 : 0))),
    'ipv6.src': join(({ network }) => (network?.kind === 'ipv6' ? network.src : undefined)),
    'ipv6.hlim': join(({ network }) => (network?.kind === 'ipv6' ? network.ttl : undefined)),
    'tcp.srcport': join(layer => tcpOf(layer)?.sport),
    'tcp.dstport': join(layer => tcpOf(layer)?.dport),
    'tcp.seq_raw': join(layer => tcpOf(layer)?.seq),
    'tcp.len': join(layer => tcpOf(layer) && layer.payloadLength),
    'udp.srcport': join(layer => udpOf(layer)?.sport),
    'udp.dstport': join(layer => udpOf(layer)?.dport),
    'icmp.type': join(layer => icmpOf(layer)?.type),
    'icmp.ident': join(layer => icmpOf(layer)?.echo?.id),
    'icmp.seq': join(layer => icmpOf(layer)?.echo?.seq),
    'vxlan.vni': join(layer => layer.vxlan?.vni),
  }
}
