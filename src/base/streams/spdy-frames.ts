import { constants, createDeflate, type Deflate } from 'node:zlib'

/** A frame of SPDY/3.1 as this end needs it; other control frames are told apart by their type alone. */
export type SpdyFrame =
  | { readonly kind: 'data'; readonly stream: number; readonly isLast: boolean; readonly bytes: Buffer }
  | { readonly kind: 'reply'; readonly stream: number; readonly isLast: boolean }
  | { readonly kind: 'reset'; readonly stream: number }
  | { readonly kind: 'ping'; readonly frame: Buffer }
  | { readonly kind: 'goaway' }
  | { readonly kind: 'other' }

const headerBytes = 8
const controlBit = 0x80
const last = 0x01
const types = { synStream: 1, synReply: 2, reset: 3, ping: 6, goaway: 7 } as const

/** A frame's longest body is 24 bits long; whoever says more than this much at once is none of ours. */
const longestFrame = 16 * 1024 * 1024

/** Cuts bytes into frames; what is not whole yet waits for the next call. */
export function createFrameReader(): (bytes: Buffer) => SpdyFrame[] {
  let rest: Buffer = Buffer.alloc(0)
  return bytes => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    const frames: SpdyFrame[] = []
    while (rest.length >= headerBytes) {
      const size = headerBytes + (rest.readUInt32BE(4) & (longestFrame - 1))
      if (rest.length < size) break
      frames.push(frameOf(rest.subarray(0, size)))
      rest = rest.subarray(size)
    }
    return frames
  }
}

function frameOf(frame: Buffer): SpdyFrame {
  const isLast = (frame[4]! & last) !== 0
  const body = frame.subarray(headerBytes)
  if ((frame[0]! & controlBit) === 0) return { kind: 'data', stream: frame.readUInt32BE(0), isLast, bytes: body }
  const stream = body.length >= 4 ? body.readUInt32BE(0) & 0x7fffffff : 0
  switch (frame.readUInt16BE(2)) {
    case types.synReply:
      return { kind: 'reply', stream, isLast }
    case types.reset:
      return { kind: 'reset', stream }
    case types.ping:
      return { kind: 'ping', frame }
    case types.goaway:
      return { kind: 'goaway' }
    default:
      return { kind: 'other' }
  }
}

export function dataFrame(stream: number, bytes: Buffer, isLast: boolean): Buffer {
  const head = Buffer.alloc(headerBytes)
  head.writeUInt32BE(stream, 0)
  head.writeUInt32BE(bytes.length, 4)
  head[4] = isLast ? last : 0
  return Buffer.concat([head, bytes])
}

/**
 * Makes SYN_STREAM frames of one connection, whose headers share one compression. It presets no dictionary: zlib's header (RFC 1950, FDICT)
 * then says so, and Go's zlib, which reads on the nodes, takes its dictionary only where that bit is set.
 */
export function createStreamOpener(): (stream: number, headers: Readonly<Record<string, string>>) => Promise<Buffer> {
  const deflate = createDeflate()
  return async (stream, headers) => {
    const block = await compressed(deflate, headerBlock(headers))
    const head = Buffer.alloc(headerBytes + 10)
    head.writeUInt16BE(0x8003, 0)
    head.writeUInt16BE(types.synStream, 2)
    head.writeUInt32BE(10 + block.length, 4)
    head.writeUInt32BE(stream, headerBytes)
    return Buffer.concat([head, block])
  }
}

function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string): Buffer => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(value))
    return Buffer.concat([length, Buffer.from(value)])
  }
  const count = Buffer.alloc(4)
  const entries = Object.entries(headers)
  count.writeUInt32BE(entries.length)
  return Buffer.concat([count, ...entries.flatMap(([name, value]) => [text(name.toLowerCase()), text(value)])])
}

function compressed(deflate: Deflate, bytes: Buffer): Promise<Buffer> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    const take = (chunk: Buffer): void => {
      chunks.push(chunk)
    }
    deflate.on('data', take)
    deflate.write(bytes)
    deflate.flush(constants.Z_SYNC_FLUSH, () => {
      deflate.off('data', take)
      resolve(Buffer.concat(chunks))
    })
  })
}
