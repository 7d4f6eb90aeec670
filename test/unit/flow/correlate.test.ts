import t from 'tap'

import { ipToBytes, parseIp } from '../../../src/base/net/address.js'
import { decodePacket } from '../../../src/base/net/decode-packet.js'
import { linkTypes } from '../../../src/base/net/packet.js'
import { correlate } from '../../../src/flow/correlate.js'
import { headersOf, type Sighting } from '../../../src/flow/trace.js'
import { ethernet, icmp, ipv4, ipv6, tcp, text, udp, vxlan } from '../../support/frames.js'

let clock = 0n
/** A frame at `owner/interface dir`, a microsecond after the last one. */
function sighting(at: string, frame: Uint8Array, timeNs: bigint = ++clock * 1000n): Sighting {
  const [where = '', dir = ''] = at.split(' ')
  const [owner = '', name = ''] = where.split('/')
  const packet = decodePacket(frame, linkTypes.ethernet)
  const subject = packet.vxlan?.inner ?? packet
  return {
    place: undefined,
    owner,
    host: owner,
    interface: name,
    dir: dir as 'in' | 'out',
    timeNs,
    sequence: Number(clock++),
    frame: 0,
    subject,
    headers: headersOf(packet),
  }
}
const places = (sightings: readonly Sighting[] | undefined): readonly string[] =>
  (sightings ?? []).map(({ owner, interface: name, dir }) => `${owner}/${name} ${dir}`)

const syn = (src: string, dst: string, sport: number, dport: number, seq = 7000) =>
  ethernet({}, ipv4({ protocol: 6, src, dst }, tcp({ sport, dport, seq, flags: 0x02 })))
const answer = (src: string, dst: string, sport: number, dport: number, flags = 0x12) =>
  ethernet({}, ipv4({ protocol: 6, src, dst }, tcp({ sport, dport, seq: 9000, ack: 7001, flags })))
const inTunnel = (inner: Uint8Array) =>
  ethernet({}, ipv4({ protocol: 17, src: '172.30.0.11', dst: '172.30.0.12' }, udp({ dport: 4789 }, vxlan({}, inner))))

const exchange = { protocol: 'tcp' as const, sender: 'client', target: '10.96.0.10', sourcePort: 41000 }

t.test('TCP through both translations and a tunnel', async t => {
  const window = [
    sighting('client/eth0 out', syn('10.244.1.5', '10.96.0.10', 41000, 80)),
    sighting('client/eth0 out', syn('10.244.1.5', '10.96.0.10', 41001, 80, 555)),
    sighting('a/vxlan0 out', syn('10.244.1.0', '10.244.2.7', 60000, 8080)),
    sighting('a/eth0 out', inTunnel(syn('10.244.1.0', '10.244.2.7', 60000, 8080))),
    sighting('far/eth0 in', syn('10.244.1.0', '10.244.2.7', 60000, 8080)),
    sighting('far/eth0 out', answer('10.244.2.7', '10.244.1.0', 8080, 60000)),
    sighting('client/eth0 in', answer('10.96.0.10', '10.244.1.5', 80, 41000)),
  ]
  const { attempts, reply } = correlate(window.toReversed(), exchange)
  t.strictSame(attempts.map(places), [['client/eth0 out', 'a/vxlan0 out', 'a/eth0 out', 'far/eth0 in']])
  t.strictSame(places(reply), ['far/eth0 out', 'client/eth0 in'])
})

t.test('a control from the same port to another is not the flow', async t => {
  const window = [
    sighting('client/eth0 out', syn('10.244.1.5', '10.244.2.7', 41000, 8080, 100)),
    sighting('client/eth0 out', syn('10.244.1.5', '10.244.2.7', 41000, 81)),
    sighting('client/eth0 in', answer('10.244.2.7', '10.244.1.5', 81, 41000, 0x14)),
  ]
  const { attempts, reply } = correlate(window, { ...exchange, target: '10.244.2.7', targetPort: 81 })
  t.equal(attempts[0]?.[0]?.headers.dport, 81)
  t.equal(reply[0]?.headers.flags, 'RST-ACK')
})

t.test('equal times: the order of the capture holds', async t => {
  const window = [
    sighting('client/eth0 out', syn('10.244.1.5', '10.96.0.10', 41000, 80), 1_000_000n),
    sighting('a/veth1 in', syn('10.244.1.5', '10.96.0.10', 41000, 80), 2_000_000n),
    sighting('a/cni0 in', syn('10.244.1.5', '10.96.0.10', 41000, 80), 2_000_000n),
  ]
  t.strictSame(places(correlate(window.toReversed(), exchange).attempts[0]), ['client/eth0 out', 'a/veth1 in', 'a/cni0 in'])
})

t.test('a retransmission is an attempt of its own', async t => {
  const send = () => [
    sighting('client/eth0 out', syn('10.244.1.5', '10.96.0.10', 41000, 80)),
    sighting('a/veth1 in', syn('10.244.1.5', '10.96.0.10', 41000, 80)),
  ]
  t.strictSame(correlate([...send(), ...send()], exchange).attempts.map(places), [
    ['client/eth0 out', 'a/veth1 in'],
    ['client/eth0 out', 'a/veth1 in'],
  ])
})

t.test('refused by RST, and by ICMP that quotes what was translated', async t => {
  const asked = [
    sighting('client/eth0 out', syn('10.244.1.5', '10.96.0.10', 41000, 80)),
    sighting('a/cni0 in', syn('10.244.1.5', '10.244.2.7', 41000, 8080)),
  ]
  const reset = sighting('client/eth0 in', answer('10.96.0.10', '10.244.1.5', 80, 41000, 0x14))
  t.strictSame(places(correlate([...asked, reset], exchange).reply), ['client/eth0 in'])

  const quoted = ipv4({ protocol: 6, src: '10.244.1.5', dst: '10.244.2.7' }, tcp({ sport: 41000, dport: 8080 })).subarray(0, 28)
  const unreachable = ethernet(
    {},
    ipv4({ protocol: 1, id: 99, src: '10.244.1.1', dst: '10.244.1.5' }, icmp({ type: 3, code: 3, rest: [0, 0, 0, 0] }, quoted)),
  )
  const other = ethernet(
    {},
    ipv4(
      { protocol: 1, id: 98, src: '10.244.1.1', dst: '10.244.1.5' },
      icmp({ type: 3, code: 3, rest: [0, 0, 0, 0] }, ipv4({ protocol: 6, src: '10.244.1.5', dst: '9.9.9.9' }, tcp({})).subarray(0, 28)),
    ),
  )
  const { reply } = correlate(
    [...asked, sighting('a/cni0 out', other), sighting('a/cni0 out', unreachable), sighting('client/eth0 in', unreachable)],
    exchange,
  )
  t.strictSame(places(reply), ['a/cni0 out', 'client/eth0 in'])
})

t.test('UDP by its payload, ICMP echo by its own', async t => {
  const datagram = (src: string, dst: string, sport: number, dport: number, payload: string) =>
    ethernet({}, ipv4({ protocol: 17, src, dst }, udp({ sport, dport }, text(payload))))
  const window = [
    sighting('client/eth0 out', datagram('1.1.1.1', '10.96.0.10', 41000, 53, 'nonce-a')),
    sighting('a/cni0 in', datagram('1.1.1.1', '2.2.2.2', 41000, 5353, 'nonce-a')),
    sighting('a/cni0 in', datagram('1.1.1.9', '2.2.2.2', 41000, 5353, 'nonce-b')),
    sighting('far/eth0 out', datagram('2.2.2.2', '1.1.1.1', 5353, 41000, 'answer to nonce-a')),
    sighting('client/eth0 in', datagram('10.96.0.10', '1.1.1.1', 53, 41000, 'answer to nonce-a')),
  ]
  const { attempts, reply } = correlate(window, { ...exchange, protocol: 'udp' })
  t.strictSame(attempts.map(places), [['client/eth0 out', 'a/cni0 in']])
  t.strictSame(places(reply), ['far/eth0 out', 'client/eth0 in'])

  const echo = (type: number, src: string, dst: string, payload: string, id = 7) =>
    ethernet({}, ipv4({ protocol: 1, src, dst }, icmp({ type, rest: [0, id, 0, 0] }, text(payload))))
  const pings = [
    sighting('client/eth0 out', echo(8, '1.1.1.1', '2.2.2.2', 'time-1')),
    sighting('a/eth0 out', echo(8, '3.3.3.3', '2.2.2.2', 'time-1', 9)),
    sighting('a/eth0 in', echo(0, '2.2.2.2', '3.3.3.3', 'time-1', 9)),
    sighting('client/eth0 in', echo(0, '2.2.2.2', '1.1.1.1', 'time-1')),
  ]
  const ping = correlate(pings, { protocol: 'icmp', sender: 'client', target: '2.2.2.2' })
  t.strictSame(places(ping.attempts[0]), ['client/eth0 out', 'a/eth0 out'])
  t.strictSame(places(ping.reply), ['a/eth0 in', 'client/eth0 in'])
})

t.test('an ICMPv6 echo, and the answer that it is too large', async t => {
  const [client, server, router] = ['fd00::5', 'fd00::7', 'fd00::1'].map(ip => ipToBytes(parseIp(ip))) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const message = (type: number, src: Uint8Array, dst: Uint8Array, payload: Uint8Array) =>
    ethernet({ etherType: 0x86dd }, ipv6({ src, dst, next: 58 }, icmp({ type }, payload)))
  const request = { protocol: 'icmpv6' as const, sender: 'client', target: 'fd00::7' }
  const echoes = [
    sighting('client/eth0 out', message(128, client, server, text('time-1'))),
    sighting('far/eth0 in', message(128, client, server, text('time-1'))),
    sighting('far/eth0 out', message(129, server, client, text('time-1'))),
    sighting('client/eth0 in', message(129, server, client, text('time-1'))),
  ]
  const { attempts, reply } = correlate(echoes, request)
  t.strictSame(attempts.map(places), [['client/eth0 out', 'far/eth0 in']])
  t.strictSame(places(reply), ['far/eth0 out', 'client/eth0 in'])

  const sent = ipv6({ src: client, dst: server, next: 58 }, icmp({ type: 128 }, text('time-2')))
  const tooLarge = correlate(
    [sighting('client/eth0 out', ethernet({ etherType: 0x86dd }, sent)), sighting('client/eth0 in', message(2, router, client, sent))],
    request,
  )
  t.strictSame(places(tooLarge.reply), ['client/eth0 in'])
})

t.test('ICMPv6 has no identification: two refusals at once are told apart by what they quote', async t => {
  const [node, service] = ['fd00::1', 'fd00:10:96::7'].map(ip => ipToBytes(parseIp(ip))) as [Uint8Array, Uint8Array]
  const asked = (client: string, label: number) => {
    const src = ipToBytes(parseIp(client))
    const packet = ipv6({ src, dst: service, next: 6, label }, tcp({ sport: 41000, dport: 80, seq: label }))
    const refusal = ipv6({ src: node, dst: src, next: 58 }, icmp({ type: 1, code: 4 }, packet))
    return { packet: ethernet({ etherType: 0x86dd }, packet), refusal: ethernet({ etherType: 0x86dd }, refusal) }
  }
  const [one, two] = [asked('fd00::5', 1), asked('fd00::6', 2)]
  const { reply } = correlate(
    [
      sighting('client/eth0 out', one.packet),
      sighting('other/eth0 out', two.packet),
      sighting('node/cni0 out', one.refusal),
      sighting('node/cni0 out', two.refusal),
      sighting('other/eth0 in', two.refusal),
      sighting('client/eth0 in', one.refusal),
    ],
    { ...exchange, target: 'fd00:10:96::7' },
  )
  t.strictSame(places(reply), ['node/cni0 out', 'client/eth0 in'])
})

t.test('nothing sent, nothing found', async t => {
  t.strictSame(correlate([sighting('a/eth0 in', syn('9.9.9.9', '8.8.8.8', 1, 2))], exchange), { attempts: [], reply: [] })
})
