import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** The client's side of an HTTP/1.1 upgrade: its connection, and what it sent beyond the request. */
export interface UpgradeRequest {
  readonly socket: Duplex
  readonly head: Buffer
}

const joinedHeaders = ['upgrade', 'x-stream-protocol-version'] as const

/** The headers that say which upgrade a client wants, each value on a line of its own as it came: containerd 1.6 does not split lists. */
export function upgradeHeaders({ headersDistinct }: Pick<IncomingMessage, 'headersDistinct'>): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = { connection: 'Upgrade' }
  for (const name of joinedHeaders) {
    const values = headersDistinct[name]
    if (values) headers[name] = values
  }
  return headers
}

/**
 * Sends `outgoing` and, when it is answered with 101, hands that answer to the client and carries bytes both ways until one side ends:
 * the protocol spoken above is nobody's business here. Resolves with undefined once the two are joined, or with the answer when it is another one.
 * When the client goes before, `outgoing` is dropped. Errors: those of the connection.
 */
export function proxyUpgrade({ socket, head }: UpgradeRequest, outgoing: ClientRequest): Promise<IncomingMessage | undefined> {
  return new Promise((resolve, reject) => {
    const drop = () => outgoing.destroy()
    socket.once('close', drop)
    outgoing.once('error', reject)
    outgoing.once('response', answer => {
      answer.once('close', () => socket.off('close', drop))
      resolve(answer)
    })
    outgoing.once('upgrade', (answer, far: Duplex, farHead: Buffer) => {
      socket.off('close', drop)
      const lines = pairs(answer.rawHeaders).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`)
      if (farHead.length > 0) socket.write(farHead)
      if (head.length > 0) far.write(head)
      joinStreams(socket, far)
      resolve(undefined)
    })
    outgoing.end()
  })
}

/** Carries bytes both ways. When one side ends the other is ended after its last byte; none outlives the other. */
export function joinStreams(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    if (from instanceof Socket) from.setNoDelay(true).setKeepAlive(true, 30_000)
    from.on('error', () => {}) // 'close' follows, and ends the other.
    from.pipe(to)
    from.once('close', () => endSoon(to))
    if (from.destroyed) endSoon(to)
  }
}

/** Closes a stream once what was written has been sent. */
export function endSoon(stream: Duplex): void {
  if (stream.writableFinished) {
    stream.destroy()
    return
  }
  stream.once('finish', () => stream.destroy())
  stream.end()
}

const pairs = (flat: readonly string[]): [string, string][] =>
  flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ''] as [string, string]] : []))
