import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, type RawData, type WebSocket, WebSocketServer } from 'ws'

import { joinStreams } from '../../base/streams/proxy-upgrade.js'
import { createSpdyClient, type SpdyStream } from '../../base/streams/spdy-client.js'
import type { StreamUpgrade } from './stream-upgrade.js'

/** The channels of v4.channel.k8s.io and v5.channel.k8s.io: the first byte of every message. */
const channels = ['stdin', 'stdout', 'stderr', 'error', 'resize'] as const
type Channel = (typeof channels)[number]
/** In v5 a client closes a channel by this byte and the channel's. */
const closeByte = 255

const channelProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io']
const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io'
/** RFC 6455, 7.4.1: the server met what keeps it from going on. */
const lostCode = 1011
/** Beyond this much unsent, the faster side is paused. */
const mostBuffered = 1024 * 1024

/** The protocol that a WebSocket client is answered with; undefined when it offers none of ours. */
export function webSocketProtocol(
  kind: 'exec' | 'attach' | 'portforward',
  { headers }: Pick<IncomingMessage, 'headers'>,
): string | undefined {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map(text => text.trim())
  return (kind === 'portforward' ? [tunnelProtocol] : channelProtocols).find(protocol => offered.includes(protocol))
}

export interface SpdyAnswer {
  readonly connection: Duplex
  readonly head: Buffer
}

/** Sends a request that asks for SPDY; resolves with the connection, or with the answer when it is a refusal. */
export function askForSpdy(outgoing: ClientRequest): Promise<SpdyAnswer | IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('error', reject)
    outgoing.once('response', resolve)
    outgoing.once('upgrade', (_answer, connection: Duplex, head: Buffer) => resolve({ connection, head }))
    outgoing.end()
  })
}

/** Takes the client's connection as a WebSocket; its protocol may have a name that `ws` does not allow. */
function accept(request: IncomingMessage, upgrade: StreamUpgrade, protocol: string): Promise<WebSocket> {
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 32 * 1024 * 1024 })
  server.on('headers', lines => lines.push(`Sec-WebSocket-Protocol: ${protocol}`))
  delete request.headers['sec-websocket-protocol']
  upgrade.take()
  return new Promise(resolve => server.handleUpgrade(request, upgrade.socket, upgrade.head, resolve))
}

/** Carries SPDY inside a WebSocket (KEP-4006): nobody reads the frames here. */
export async function tunnelSpdy(request: IncomingMessage, upgrade: StreamUpgrade, { connection, head }: SpdyAnswer): Promise<void> {
  const socket = await accept(request, upgrade, tunnelProtocol)
  const stream = createWebSocketStream(socket)
  stream.on('error', () => {}) // 'close' follows.
  if (head.length > 0) stream.write(head)
  joinStreams(stream, connection)
}

export interface ChannelRequest {
  readonly request: IncomingMessage
  readonly upgrade: StreamUpgrade
  readonly protocol: string
  /** As the node was asked: `input`, `output`, `error`, `tty`. */
  readonly asked: URLSearchParams
}

/** Carries the channels of a WebSocket as SPDY streams to the node. When either side goes, so does the other: no process outlives its client. */
export async function joinChannels({ request, upgrade, protocol, asked }: ChannelRequest, { connection, head }: SpdyAnswer): Promise<void> {
  const isTerminal = asked.get('tty') === '1'
  const wanted: Channel[] = [
    'error',
    ...(asked.has('input') ? (['stdin'] as const) : []),
    ...(asked.has('output') ? (['stdout'] as const) : []),
    ...(asked.has('error') && !isTerminal ? (['stderr'] as const) : []),
    ...(isTerminal ? (['resize'] as const) : []),
  ]
  const socket = await accept(request, upgrade, protocol)
  const spdy = createSpdyClient(connection, head)
  const streams = new Map<Channel, SpdyStream>()
  const early: RawData[] = []
  socket.on('error', () => {}) // 'close' follows.
  socket.on('close', () => spdy.destroy())
  socket.on('message', message => {
    if (isOpen) receive(message)
    else early.push(message)
  })
  spdy.onDrain(() => socket.resume())

  function receive(message: RawData): void {
    const bytes = Buffer.isBuffer(message) ? message : Buffer.concat(Array.isArray(message) ? message : [Buffer.from(message)])
    const isClose = bytes[0] === closeByte && bytes.length === 2 && protocol === channelProtocols[0]
    const stream = streams.get(channels[bytes[isClose ? 1 : 0] ?? 0] ?? 'stdout')
    if (isClose) stream?.end()
    else if (stream && bytes.length > 1 && !stream.write(bytes.subarray(1))) socket.pause()
  }
  // What comes back ends the session when all of it has come.
  const coming = new Set<Channel>(wanted.filter(channel => channel === 'stdout' || channel === 'stderr' || channel === 'error'))
  const listenerOf = (channel: Channel) => ({
    data(bytes: Buffer): void {
      socket.send(Buffer.concat([Buffer.from([channels.indexOf(channel)]), bytes]), () => {
        if (socket.bufferedAmount < mostBuffered) spdy.resume()
      })
      if (socket.bufferedAmount >= mostBuffered) spdy.pause()
    },
    end(isLost: boolean): void {
      // Without its error channel nobody knows how a command ended.
      if (isLost && coming.has('error')) socket.close(lostCode, 'the connection to the node was lost')
      else if (coming.delete(channel) && coming.size === 0) socket.close(1000)
    },
  })
  let isOpen = false
  for (const channel of wanted) streams.set(channel, await spdy.open({ streamtype: channel }, listenerOf(channel)))
  for (const channel of ['stdin', 'resize'] as const) if (!wanted.includes(channel)) streams.delete(channel)
  isOpen = true
  for (const message of early) receive(message)
}
