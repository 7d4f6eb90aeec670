import { type IncomingMessage, ServerResponse } from 'node:http'
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type SecureServerOptions,
  type ServerHttp2Session,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

import { PodwireError } from '../../base/errors/podwire-error.js'
import { endSoon } from '../../base/streams/proxy-upgrade.js'
import type { ApiServerResponse } from './answers.js'
import type { ApiServerRequest } from './authentication.js'
import type { StreamUpgrade } from './stream-upgrade.js'

/** A socket that is open already, or an address to listen on; port 0 takes a free one. */
export type ListenPlace = { readonly fd: number } | { readonly address: string; readonly port: number }

export type Handle = (request: ApiServerRequest, response: ApiServerResponse, upgrade?: StreamUpgrade) => void

/** One listening socket: HTTP/2, HTTP/1.1 and upgrades over TLS. */
export interface HttpFront {
  readonly address: AddressInfo
  /** Takes no more connections, lets go of the idle ones, and destroys after `graceMs` what has not gone by itself. */
  close(graceMs: number): Promise<void>
}

/** Upstream's limits for clients that are slow to say what they want (net/http's ReadHeaderTimeout, TLS handshake) and for idle connections. */
const handshakeMs = 10_000
const headersMs = 32_000
const idleMs = 180_000

export async function openHttpFront(
  place: ListenPlace,
  tls: Pick<SecureServerOptions, 'ca' | 'cert' | 'key'>,
  handle: Handle,
): Promise<HttpFront> {
  const server = createSecureServer(
    {
      ...tls,
      allowHTTP1: true,
      requestCert: true,
      // A client without a certificate of ours gets a Status, not a broken handshake.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeMs,
      settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024 },
    },
    (request: Http2ServerRequest, response: Http2ServerResponse) => handle(request, response),
  )
  // The part that speaks HTTP/1.1 has these, which the types of the HTTP/2 server do not show.
  Object.assign(server, { headersTimeout: headersMs, keepAliveTimeout: idleMs, requestTimeout: 0 })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => handleUpgrade(handle, { request, socket, head }))
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<{ destroy(): void }>()
  server.on('session', session => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.setTimeout(idleMs, () => session.close()) // Waits for its open streams, as watches are.
  })
  server.on('secureConnection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await listen(server, place)
  return {
    address: server.address() as AddressInfo,
    close: graceMs =>
      new Promise(resolve => {
        const timer = setTimeout(() => {
          for (const socket of sockets) socket.destroy()
        }, graceMs)
        server.close(() => {
          clearTimeout(timer)
          resolve()
        })
        for (const session of sessions) session.close()
      }),
  }
}

async function listen(server: Http2SecureServer, place: ListenPlace): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen('fd' in place ? { fd: place.fd } : { host: place.address, port: place.port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    const at = 'fd' in place ? `descriptor ${place.fd}` : `${place.address}:${place.port}`
    const inUse = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    throw new PodwireError(
      inUse ? 'PORT_IN_USE' : 'KERNEL_REFUSED',
      `cannot listen on ${at}: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    )
  }
}

/** A request that wants its connection to go on in another protocol; whoever answers may take it, or answer like any other request. */
function handleUpgrade(handle: Handle, { request, socket, head }: { request: IncomingMessage; socket: Duplex; head: Buffer }): void {
  socket.on('error', () => {}) // 'close' follows.
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as TLSSocket)
  response.on('finish', () => endSoon(socket))
  handle(request, response, { socket, head, take: () => response.detachSocket(socket as TLSSocket) })
}
