import fc from 'fast-check'
import t from 'tap'

import { PcapStream } from '../../../../src/base/net/pcap-stream.js'

interface Record {
  readonly seconds: number
  readonly fraction: number
  readonly bytes: Uint8Array
}

function pcapFile(records: readonly Record[], { magic = 0xa1b23c4d, littleEndian = true, linkType = 276 } = {}): Uint8Array {
  const u32 = (...numbers: readonly number[]): Uint8Array => {
    const view = new DataView(new ArrayBuffer(numbers.length * 4))
    numbers.forEach((number, i) => {
      view.setUint32(i * 4, number, littleEndian)
    })
    return new Uint8Array(view.buffer)
  }
  const version = littleEndian ? 0x00040002 : 0x00020004
  return Buffer.concat([
    u32(magic, version, 0, 0, 65535, linkType),
    ...records.flatMap(({ seconds, fraction, bytes }) => [u32(seconds, fraction, bytes.length, bytes.length + 10), bytes]),
  ])
}

const two = [
  { seconds: 1_700_000_000, fraction: 123_456_789, bytes: Uint8Array.of(1, 2, 3) },
  { seconds: 1_700_000_001, fraction: 1, bytes: Uint8Array.of(4) },
]

t.test('frames with their times', async t => {
  const stream = new PcapStream()
  const frames = stream.push(pcapFile(two))
  t.equal(stream.linkType, 276)
  t.same(
    frames.map(frame => [frame.timeNs, [...frame.bytes], frame.originalLength]),
    [
      [1_700_000_000_123_456_789n, [1, 2, 3], 13],
      [1_700_000_001_000_000_001n, [4], 11],
    ],
  )
  stream.end()
})

t.test('microseconds and the other byte order', async t => {
  const frames = new PcapStream().push(
    pcapFile([{ seconds: 5, fraction: 7, bytes: Uint8Array.of(9) }], { magic: 0xa1b2c3d4, littleEndian: false }),
  )
  t.equal(frames[0]?.timeNs, 5_000_007_000n)
})

t.test('any cut of the stream gives the same frames', async () => {
  const file = pcapFile(two)
  fc.assert(
    fc.property(fc.array(fc.nat(file.length), { maxLength: 8 }), cuts => {
      const stream = new PcapStream()
      const at = [0, ...cuts.sort((a, b) => a - b), file.length]
      const frames = at.slice(1).flatMap((end, i) => stream.push(file.subarray(at[i], end)))
      stream.end()
      return frames.length === 2 && frames[1]?.bytes[0] === 4 && frames[0]?.timeNs === 1_700_000_000_123_456_789n
    }),
  )
})

t.test('what is no pcap stream is refused', async t => {
  t.throws(() => new PcapStream().push(new Uint8Array(24)), { code: 'PACKET_MALFORMED' })
  t.throws(() => new PcapStream().end(), { code: 'PACKET_MALFORMED' })
  const cut = new PcapStream()
  cut.push(pcapFile(two).subarray(0, 50))
  t.throws(() => cut.end(), { code: 'PACKET_MALFORMED' })
  const wild = Buffer.from(pcapFile(two))
  wild.writeUInt32LE(0x7fffffff, 24 + 8)
  t.throws(() => new PcapStream().push(wild), { code: 'PACKET_MALFORMED' })
})
