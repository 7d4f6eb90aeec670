/** Frames of SPDY/3.1, read as the other end reads them: bytes as the protocol's draft has them. */
import { constants, inflateSync } from 'node:zlib'
import t from 'tap'

import { createFrameReader, createStreamOpener, dataFrame } from '../../../../src/base/streams/spdy-frames.js'

t.test('streams of one connection share one compression', async t => {
  const open = createStreamOpener()
  const frames = [await open(1, { streamType: 'error' }), await open(3, { streamType: 'stdin' })]
  t.strictSame(
    frames.map(frame => [frame.readUInt16BE(0), frame.readUInt16BE(2), frame.readUInt32BE(8)]),
    [
      [0x8003, 1, 1],
      [0x8003, 1, 3],
    ],
  )
  for (const frame of frames) t.equal(frame.readUInt32BE(4), frame.length - 8)
  const blocks = Buffer.concat(frames.map(frame => frame.subarray(18)))
  t.equal(blocks[1]! & 0x20, 0, 'no dictionary is named')
  const text = (value: string): string => `\0\0\0${String.fromCharCode(value.length)}${value}`
  t.equal(
    inflateSync(blocks, { finishFlush: constants.Z_SYNC_FLUSH }).toString('latin1'),
    ['error', 'stdin'].map(type => `\0\0\0\x01${text('streamtype')}${text(type)}`).join(''),
  )
})

t.test('frames are cut from bytes wherever these are torn', async t => {
  const control = (type: number, body: readonly number[], flags = 0): Buffer =>
    Buffer.from([0x80, 3, 0, type, flags, 0, 0, body.length, ...body])
  const ping = control(6, [0, 0, 0, 2])
  const bytes = Buffer.concat([
    control(2, [0, 0, 0, 1]),
    dataFrame(1, Buffer.from('hello'), false),
    ping,
    dataFrame(1, Buffer.alloc(0), true),
    control(3, [0, 0, 0, 3, 0, 0, 0, 5]),
    control(7, [0, 0, 0, 0, 0, 0, 0, 0]),
    control(9, [0, 0, 0, 1, 0, 0, 0, 9]),
  ])
  const want = [
    { kind: 'reply', stream: 1, isLast: false },
    { kind: 'data', stream: 1, isLast: false, bytes: Buffer.from('hello') },
    { kind: 'ping', frame: ping },
    { kind: 'data', stream: 1, isLast: true, bytes: Buffer.alloc(0) },
    { kind: 'reset', stream: 3 },
    { kind: 'goaway' },
    { kind: 'other' },
  ]
  for (const size of [1, 7, 8, 9, bytes.length]) {
    const read = createFrameReader()
    const frames = []
    for (let at = 0; at < bytes.length; at += size) frames.push(...read(bytes.subarray(at, at + size)))
    t.strictSame(frames, want, `${size} at once`)
  }
})
