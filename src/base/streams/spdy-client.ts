import type { Duplex } from 'node:stream'

import { createFrameReader, createStreamOpener, dataFrame } from './spdy-frames.js'

/** What comes of a stream that was opened. */
export interface SpdyListener {
  data(bytes: Buffer): void
  /** The other end sends no more on it; `isLost` when that is because the whole connection has gone. */
  end(isLost: boolean): void
}

export interface SpdyStream {
  /** False when the connection holds more than it likes; `drained` tells when it does not. */
  write(bytes: Buffer): boolean
  end(): void
}

/** The opening side of a SPDY/3.1 connection. Its peer sends without waiting for windows, as moby/spdystream does, and so does this one. */
export interface SpdyClient {
  open(headers: Readonly<Record<string, string>>, listener: SpdyListener): Promise<SpdyStream>
  /** Stops and starts reading, where whoever takes the data is slower. */
  pause(): void
  resume(): void
  onDrain(listener: () => void): void
  destroy(): void
}

/** Speaks SPDY over a connection that has been upgraded to it; every stream ends when the connection does. */
export function createSpdyClient(connection: Duplex, head: Buffer): SpdyClient {
  const listeners = new Map<number, SpdyListener>()
  const read = createFrameReader()
  const synStream = createStreamOpener()
  let nextStream = 1
  let opening: Promise<unknown> = Promise.resolve()

  function finish(stream: number, isLost = false): void {
    const listener = listeners.get(stream)
    listeners.delete(stream)
    listener?.end(isLost)
  }
  function take(bytes: Buffer): void {
    for (const frame of read(bytes)) {
      switch (frame.kind) {
        case 'data':
          if (frame.bytes.length > 0) listeners.get(frame.stream)?.data(frame.bytes)
          if (frame.isLast) finish(frame.stream)
          break
        case 'reply':
          if (frame.isLast) finish(frame.stream)
          break
        case 'reset':
          finish(frame.stream)
          break
        case 'ping':
          connection.write(frame.frame)
          break
        case 'goaway':
        case 'other':
          break
      }
    }
  }
  connection.on('error', () => {}) // 'close' follows.
  connection.on('data', take)
  connection.once('close', () => {
    for (const stream of [...listeners.keys()]) finish(stream, true)
  })
  if (head.length > 0) take(head)

  return {
    open(headers, listener) {
      const stream = nextStream
      nextStream += 2
      listeners.set(stream, listener)
      // Headers are compressed in the order in which they are sent.
      const opened = opening.then(async () => connection.write(await synStream(stream, headers)))
      opening = opened
      return opened.then(() => ({
        write: bytes => connection.write(dataFrame(stream, bytes, false)),
        end: () => connection.write(dataFrame(stream, Buffer.alloc(0), true)),
      }))
    },
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    onDrain: listener => connection.on('drain', listener),
    destroy: () => connection.destroy(),
  }
}
