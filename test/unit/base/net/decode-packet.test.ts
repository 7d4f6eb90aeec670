import fc from 'fast-check'
import t from 'tap'

import { decodePacket } from '../../../../src/base/net/decode-packet.js'
import { ipOf, linkTypes, type Packet } from '../../../../src/base/net/packet.js'
import { arp, concat, ethernet, icmp, ipv4, ipv6, macA, macB, sll2, tcp, text, udp, vxlan } from '../../../support/frames.js'

const decode = (bytes: Uint8Array): Packet => decodePacket(bytes, linkTypes.ethernet)
const ip6 = (last: number): Uint8Array => Uint8Array.from([0xfd, ...Array<number>(14).fill(0), last])

t.test('TCP in IPv4 in Ethernet', async t => {
  const packet = decode(
    ethernet({}, ipv4({ protocol: 6, ttl: 63, id: 77 }, tcp({ flags: 0x12, seq: 0xfffffffe, options: [2, 4, 5, 0xb4] }, text('hi')))),
  )
  t.match(packet.link, { kind: 'ethernet', src: macA, dst: macB, etherType: 0x0800 })
  t.match(ipOf(packet), { src: '10.244.1.5', dst: '10.244.2.9', ttl: 63, protocol: 6, id: 77, dontFragment: true, fragment: undefined })
  t.match(packet.transport, { kind: 'tcp', sport: 41000, dport: 8080, seq: 0xfffffffe, flags: 'SYN-ACK', headerLength: 24 })
  t.same(packet.payload, text('hi'))
  t.equal(packet.malformed, undefined)
})

t.test('flags read as people write them', async t => {
  const cases = { SYN: 0x02, 'SYN-ACK': 0x12, ACK: 0x10, 'PSH-ACK': 0x18, 'FIN-ACK': 0x11, RST: 0x04, 'RST-ACK': 0x14 }
  for (const [want, flags] of Object.entries(cases))
    t.match(decode(ethernet({}, ipv4({ protocol: 6 }, tcp({ flags })))).transport, { flags: want })
  t.match(decode(ethernet({}, ipv4({ protocol: 6 }, tcp({ flags: 0xc2 })))).transport, { flags: 'SYN' }, 'ECN bits are no flag of ours')
})

t.test('Ethernet padding is not payload', async t => {
  const packet = decode(concat(ethernet({}, ipv4({ protocol: 17 }, udp({}, text('x')))), new Uint8Array(17)))
  t.same(packet.payload, text('x'))
  t.equal(packet.payloadLength, 1)
})

t.test('a frame that the capture cut keeps its true length', async t => {
  const whole = ethernet({}, ipv4({ protocol: 6 }, tcp({ flags: 0x18 }, new Uint8Array(1000))))
  const packet = decode(whole.subarray(0, 100))
  t.equal(packet.payloadLength, 1000)
  t.equal(packet.payload.length, 100 - 54)
  t.equal(packet.malformed, undefined)
})

t.test('cooked v2', async t => {
  const packet = decodePacket(sll2({ ifindex: 9, packetType: 4 }, ipv4({ protocol: 17 }, udp({}, text('x')))), linkTypes.sll2)
  t.match(packet.link, { kind: 'sll2', ifindex: 9, packetType: 'outgoing', src: macA, deviceType: 1 })
  t.match(packet.transport, { kind: 'udp', sport: 41000, dport: 9001, length: 9 })
})

t.test('VXLAN holds a whole packet, also twice', async t => {
  const inner = ethernet({ src: macB, dst: macA }, ipv4({ protocol: 6, ttl: 63 }, tcp({})))
  const outer = ethernet(
    {},
    ipv4({ protocol: 17, src: '172.30.0.11', dst: '172.30.0.12' }, udp({ dport: 4789 }, vxlan({ vni: 0xabcdef }, inner))),
  )
  const packet = decode(outer)
  t.equal(packet.vxlan?.vni, 0xabcdef)
  t.match(packet.vxlan?.inner.link, { src: macB, dst: macA })
  t.match(packet.vxlan?.inner.transport, { kind: 'tcp', dport: 8080 })
  t.match(ipOf(packet), { src: '172.30.0.11' })

  const twice = decode(ethernet({}, ipv4({ protocol: 17 }, udp({ dport: 8472 }, vxlan({}, outer)))))
  t.match(twice.vxlan?.inner.vxlan?.inner.transport, { kind: 'tcp' })
  const noVni = decode(ethernet({}, ipv4({ protocol: 17 }, udp({ dport: 4789 }, vxlan({ flags: 0 }, inner)))))
  t.match(noVni.malformed, /VNI/)
})

t.test('fragments', async t => {
  const first = decode(ethernet({}, ipv4({ protocol: 17, fragment: 0x2000, id: 5 }, udp({}, new Uint8Array(8)))))
  t.match(ipOf(first)?.fragment, { offset: 0, more: true, id: 5 })
  t.match(first.transport, { kind: 'udp' })
  const second = decode(ethernet({}, ipv4({ protocol: 17, fragment: 0x0002, id: 5 }, new Uint8Array(8))))
  t.match(ipOf(second)?.fragment, { offset: 16, more: false, id: 5 })
  t.equal(second.transport, undefined, 'a later fragment has no ports')
})

t.test('IPv4 options', async t => {
  const packet = decode(ethernet({}, ipv4({ protocol: 17, options: [7, 7, 4, 0, 0, 0, 0, 0] }, udp({}, text('x')))))
  t.equal(ipOf(packet)?.headerLength, 28)
  t.match(packet.transport, { kind: 'udp', dport: 9001 })
})

t.test('IPv6 with a chain of extension headers', async t => {
  const hopByHop = Uint8Array.from([43, 0, 5, 2, 0, 0, 1, 0])
  const routing = Uint8Array.from([60, 0, 4, 0, 0, 0, 0, 0])
  const options = Uint8Array.from([17, 1, ...Array<number>(14).fill(0)])
  const packet = decode(
    ethernet(
      { etherType: 0x86dd },
      ipv6({ src: ip6(1), dst: ip6(2), next: 0, hopLimit: 9 }, concat(hopByHop, routing, options, udp({}, text('six')))),
    ),
  )
  t.match(ipOf(packet), { kind: 'ipv6', src: 'fd00::1', dst: 'fd00::2', ttl: 9, protocol: 17, headerLength: 72 })
  t.same(packet.payload, text('six'))

  const later = Uint8Array.from([17, 0, 0, 0x21, 0, 0, 0, 9])
  const fragment = decode(ethernet({ etherType: 0x86dd }, ipv6({ src: ip6(1), dst: ip6(2), next: 44 }, concat(later, new Uint8Array(8)))))
  t.match(ipOf(fragment)?.fragment, { offset: 0x20, more: true, id: 9 })
  t.equal(fragment.transport, undefined)
})

t.test('ICMP echo and what an error quotes', async t => {
  t.match(decode(ethernet({}, ipv4({ protocol: 1 }, icmp({}, text('nonce'))))).transport, {
    kind: 'icmp',
    type: 8,
    echo: { id: 7, seq: 1 },
  })
  const refused = ipv4({ protocol: 6, dst: '10.96.0.10' }, tcp({ dport: 80 })).subarray(0, 28)
  const error = decode(ethernet({}, ipv4({ protocol: 1 }, icmp({ type: 3, code: 3, rest: [0, 0, 0, 0] }, refused))))
  t.match(error.transport, { type: 3, code: 3, quoted: { dst: '10.96.0.10', protocol: 6, sport: 41000, dport: 80 } })
})

t.test('ARP', async t => {
  t.match(decode(ethernet({ etherType: 0x0806 }, arp({}))).network, {
    kind: 'arp',
    operation: 1,
    senderIp: '10.244.1.5',
    targetIp: '10.244.1.1',
    senderMac: macA,
  })
})

t.test('VLAN tags', async t => {
  const packet = decode(ethernet({ vlans: [100, 7] }, ipv4({ protocol: 17 }, udp({}, text('x')))))
  t.match(packet.link, { vlans: [100, 7], etherType: 0x0800 })
  t.match(packet.transport, { kind: 'udp' })
})

t.test('what is broken says where', async t => {
  t.match(decode(new Uint8Array(5)).malformed, /^Ethernet: 14 bytes needed, 5 there/)
  t.match(decode(ethernet({}, Uint8Array.from([0x65, ...Array<number>(30).fill(0)]))).malformed, /^IPv4: version 6/)
  t.match(decode(ethernet({}, ipv4({ protocol: 6 }, tcp({}).subarray(0, 10)))).malformed, /^TCP: 20 bytes needed, 10 there/)
  t.match(decodePacket(sll2({ packetType: 9 }, new Uint8Array()), linkTypes.sll2).malformed, /packet type 9/)
})

t.test('never throws, whatever the bytes', async t => {
  const whole = [
    ethernet({}, ipv4({ protocol: 17 }, udp({ dport: 4789 }, vxlan({}, ethernet({}, ipv4({ protocol: 6 }, tcp({}, text('payload')))))))),
    ethernet(
      { etherType: 0x86dd },
      ipv6({ src: ip6(1), dst: ip6(2), next: 0 }, concat(Uint8Array.from([6, 0, 5, 2, 0, 0, 1, 0]), tcp({}))),
    ),
    ethernet({}, ipv4({ protocol: 1 }, icmp({ type: 3 }, ipv4({ protocol: 6 }, tcp({}))))),
  ]
  const link = fc.constantFrom(linkTypes.ethernet, linkTypes.sll2)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), link, (bytes, linkType) => {
      decodePacket(bytes, linkType)
    }),
    { numRuns: 2000 },
  )
  const edits = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 })
  fc.assert(
    fc.property(fc.constantFrom(...whole), fc.nat(200), edits, (frame, length, edits) => {
      const bytes = frame.slice(0, Math.max(1, length))
      for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value
      const { payload } = decode(bytes)
      return payload.length <= bytes.length
    }),
    { numRuns: 5000 },
  )
  const nested = (depth: number): Uint8Array =>
    depth === 0 ? new Uint8Array(14) : ethernet({}, ipv4({ protocol: 17 }, udp({ dport: 4789 }, vxlan({}, nested(depth - 1)))))
  let innermost: Packet = decode(nested(200))
  while (innermost.vxlan) innermost = innermost.vxlan.inner
  t.match(innermost.malformed, /nested more than/)
})
