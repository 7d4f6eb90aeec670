import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

import { withoutMapping } from '../base/net/address.js'
import { answerMessage } from './message.js'
import type { Resolve } from './resolve.js'

export interface ServeDnsOptions {
  /** `::` for all of both families. */
  readonly address: string
  /** 0 takes a free one, the same for UDP and TCP. */
  readonly port: number
  readonly resolve: Resolve
  readonly onError: (error: unknown) => void
}

/** A TCP client that says nothing for this long is let go (RFC 7766, section 6.2.3). */
const idleMs = 10_000
const longestMessage = 65_535

/** Serves DNS over UDP and TCP until `signal` aborts; resolves with the port once both listen. */
export async function serveDns({ address, port, resolve, onError }: ServeDnsOptions, signal: AbortSignal): Promise<number> {
  const clients = new Set<Socket>()
  const tcp = createServer(socket => {
    clients.add(socket)
    socket.on('close', () => clients.delete(socket))
    // A client that goes away in the middle ends its stream early; that is its right.
    const { remoteAddress: client } = socket
    serveTcpClient(socket, query => resolve(client === undefined ? query : { ...query, client: withoutMapping(client) })).catch(error => {
      if (!socket.destroyed) onError(error)
    })
  })
  tcp.on('error', onError)
  tcp.listen(port, address)
  await once(tcp, 'listening')
  const bound = tcp.address()
  const boundPort = typeof bound === 'object' && bound ? bound.port : port

  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  udp.on('message', (message, from) => {
    // The socket may have been closed while the answer was made.
    const send = (answer: Uint8Array) => void (signal.aborted || udp.send(answer, from.port, from.address))
    answerDatagram(message, from.port, query => resolve({ ...query, client: withoutMapping(from.address) }), send).catch(onError)
  })
  udp.on('error', onError)
  udp.bind(boundPort, address)
  await once(udp, 'listening')

  signal.addEventListener(
    'abort',
    () => {
      udp.close()
      tcp.close()
      for (const client of clients) client.destroy()
    },
    { once: true },
  )
  return boundPort
}

/** A datagram may claim to come from port 0: nobody can be answered there, and to try is an error. */
export async function answerDatagram(
  message: Uint8Array,
  fromPort: number,
  resolve: Resolve,
  send: (answer: Uint8Array) => void,
): Promise<void> {
  const answer = fromPort === 0 ? undefined : await answerMessage(message, 'udp', resolve)
  if (answer) send(answer)
}

/** Messages with a two-byte length before each (RFC 1035, section 4.2.2), several in flight on one connection, answered in order. */
async function serveTcpClient(socket: Socket, resolve: Resolve): Promise<void> {
  socket.setTimeout(idleMs, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  let pending: Buffer = Buffer.alloc(0)
  for await (const chunk of socket) {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const length = pending.readUInt16BE(0)
      const answer = await answerMessage(pending.subarray(2, 2 + length), 'tcp', resolve)
      pending = pending.subarray(2 + length)
      if (!answer || answer.length > longestMessage) return void socket.destroy()
      const prefix = Buffer.alloc(2)
      prefix.writeUInt16BE(answer.length)
      if (!socket.write(Buffer.concat([prefix, answer]))) await once(socket, 'drain')
    }
  }
}
