import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'

import { decode, encode, type Packet, type RecordType } from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'

import { askServer } from '../../../src/dns/ask-server.js'
import { answerMessage } from '../../../src/dns/message.js'
import { answerDatagram, serveDns } from '../../../src/dns/serve-dns.js'
import { dnsCluster, service, slice } from '../../support/dns-cluster.js'

const { resolve, services, slices } = dnsCluster()
services.put(service('many', { clusterIP: 'None' }))
slices.put(slice('many-1', 'many', { ports: [], endpoints: Array.from({ length: 60 }, (_, i) => ({ addresses: [`10.244.9.${i + 1}`] })) }))

const web = 'web.shop.svc.cluster.local'
const many = 'many.shop.svc.cluster.local'
const question = (name: string, type: RecordType, extra: Partial<Packet> = {}): Buffer =>
  encode({ type: 'query', id: 77, flags: 0x0100, questions: [{ name, type, class: 'IN' }], ...extra })
const answer = async (message: Uint8Array, transport: 'udp' | 'tcp' = 'udp') => {
  const bytes = await answerMessage(message, transport, resolve)
  return bytes && { bytes, packet: decode(Buffer.from(bytes)), rcode: Buffer.from(bytes).readUInt16BE(2) & 15 }
}

t.test('UDP and TCP on one port, several questions on one connection', async t => {
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const port = await serveDns({ address: '127.0.0.1', port: 0, resolve, onError: error => t.fail(String(error)) }, stop.signal)

  const udp = createSocket('udp4')
  udp.send(question(web, 'A'), port, '127.0.0.1')
  const [message] = (await once(udp, 'message')) as [Buffer]
  udp.close()
  const reply = decode(message)
  t.equal(reply.id, 77)
  t.match(reply.answers, [{ name: web, type: 'A', data: '10.96.0.20', ttl: 5 }])
  t.ok(reply.flag_aa && reply.flag_rd && !reply.flag_tc)

  const tcp = connect(port, '127.0.0.1')
  const framed = (bytes: Buffer) => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
  const stream = Buffer.concat([framed(question(web, 'AAAA')), framed(question(many, 'A'))])
  tcp.write(stream.subarray(0, 5))
  await once(tcp, 'connect')
  tcp.write(stream.subarray(5))
  let got = Buffer.alloc(0)
  const replies: Packet[] = []
  for await (const chunk of tcp) {
    got = Buffer.concat([got, chunk])
    while (got.length > 2 && got.length >= 2 + got.readUInt16BE(0)) {
      replies.push(decode(got.subarray(2, 2 + got.readUInt16BE(0))))
      got = got.subarray(2 + got.readUInt16BE(0))
    }
    if (replies.length === 2) break
  }
  t.equal(replies[0]?.answers?.length, 1)
  t.equal(replies[1]?.answers?.length, 60, 'TCP carries them all')
})

t.test('both families on one socket; an IPv4 client is known by its own address', async t => {
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const clients: (string | undefined)[] = []
  const told: typeof resolve = query => {
    clients.push(query.client)
    return resolve(query)
  }
  const port = await serveDns({ address: '::', port: 0, resolve: told, onError: error => t.fail(String(error)) }, stop.signal)
  for (const [type, address] of [
    ['udp4', '127.0.0.1'],
    ['udp6', '::1'],
  ] as const) {
    const udp = createSocket(type)
    udp.send(question(web, 'A'), port, address)
    await once(udp, 'message')
    udp.close()
    await askServer({ address, port, name: many, type: 'A' }, 5_000, stop.signal)
  }
  t.strictSame(clients, ['127.0.0.1', '127.0.0.1', '127.0.0.1', '::1', '::1', '::1'], 'over UDP, and over TCP for what does not fit')
})

t.test('what does not fit is truncated', async t => {
  const plain = await answer(question(many, 'A'))
  t.ok(plain && plain.bytes.length <= 512 && plain.packet.flag_tc, 'no EDNS0: 512 bytes')
  t.equal(plain?.packet.answers?.length, 0)
  const opt = { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] }
  const large = await answer(question(many, 'A', { additionals: [opt as never] }))
  t.ok(large && large.bytes.length <= 1232, 'EDNS0: never more than 1232 bytes')
  t.ok((await answer(question(many, 'A'), 'tcp'))?.bytes.length)
})

t.test('questions that are not for us', async t => {
  t.equal((await answer(question('example.com', 'A')))?.rcode, 5, 'another zone: REFUSED')
  t.equal((await answer(question('cluster.local', 'AXFR')))?.rcode, 5, 'a transfer: REFUSED')
  const status = question(web, 'A')
  status.writeUInt16BE(0x1000, 2)
  t.equal((await answer(status))?.rcode, 4, 'another opcode: NOTIMP')
  const none = question(web, 'A')
  none.writeUInt16BE(0, 4)
  t.equal((await answer(none))?.rcode, 1, 'no question: FORMERR')
  const binary = question(web, 'A')
  binary.fill(0xff, 13, 16)
  const refused = await answer(binary)
  t.equal(refused?.rcode, 5, 'a name that is no text: REFUSED')
  t.equal(refused?.bytes.length, 12, 'without the question, which could not be repeated')
  const response = question(web, 'A')
  response.writeUInt16BE(0x8000, 2)
  t.equal(await answerMessage(response, 'udp', resolve), undefined, 'a response is never answered')
  t.equal(await answerMessage(Buffer.alloc(11), 'udp', resolve), undefined, 'too short for an id')
})

t.test('a datagram from port 0 is not answered', async t => {
  let sent = 0
  const send = () => {
    sent++
  }
  await answerDatagram(question(web, 'A'), 0, resolve, send)
  t.equal(sent, 0)
  await answerDatagram(question(web, 'A'), 1, resolve, send)
  t.equal(sent, 1)
})

t.test('no bytes can make it throw', async t => {
  const whole = question(web, 'SRV')
  const mutated = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 12 }).map(edits => {
    const copy = Buffer.from(whole)
    for (const [at, value] of edits) copy[at] = value
    return copy
  })
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        mutated,
        fc.nat(whole.length).map(end => whole.subarray(0, end)),
      ),
      async bytes => {
        const reply = await answerMessage(bytes, 'udp', resolve)
        return (
          !reply ||
          (reply.length >= 12 && reply.length <= 1232 && Buffer.from(reply).readUInt16BE(0) === Buffer.from(bytes).readUInt16BE(0))
        )
      },
    ),
    { numRuns: 2000 },
  )
  t.pass('2,000 messages')
})
