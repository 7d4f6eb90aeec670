import t from 'tap'

import { decodePacket } from '../../../src/base/net/decode-packet.js'
import { linkTypes } from '../../../src/base/net/packet.js'
import { PcapStream } from '../../../src/base/net/pcap-stream.js'
import { capturedRequests } from '../../../src/bench/captured-requests.js'

t.test('the packets are TCP segments between Pods inside VXLAN between nodes', async t => {
  const stream = new PcapStream()
  const frames = stream.push(capturedRequests(3))
  stream.end()
  t.equal(frames.length, 3)
  const packet = decodePacket(frames[2]!.bytes, linkTypes.ethernet)
  t.equal(packet.malformed, undefined)
  t.match(packet.network, { src: '172.30.0.11', dst: '172.30.0.12' })
  t.match(packet.vxlan, { vni: 1, inner: { network: { src: '10.244.1.5', dst: '10.244.2.9' }, transport: { dport: 8080, seq: 2 } } })
})
