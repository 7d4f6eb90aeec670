import { type IncomingMessage, request as plainRequest } from 'node:http'
import { type RequestOptions, request as tlsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'

/** What came of asking for another protocol: a connection, or an answer as to any other request. */
export type Upgraded =
  | { readonly socket: Duplex; readonly headers: IncomingMessage['headers'] }
  | { readonly status: number; readonly body: string }

/** Sends a request that wants SPDY/3.1, or whatever its headers say. */
export function requestUpgrade({ protocol = 'https:', headers = {}, ...options }: RequestOptions): Promise<Upgraded> {
  const request = protocol === 'http:' ? plainRequest : tlsRequest
  return new Promise((resolve, reject) => {
    const outgoing = request({
      method: 'POST',
      agent: false,
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', ...headers },
      ...options,
    })
    outgoing.once('upgrade', (answer, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head)
      resolve({ socket, headers: answer.headers })
    })
    outgoing.once('response', answer => {
      text(answer).then(body => resolve({ status: answer.statusCode ?? 0, body }), reject)
    })
    outgoing.once('error', reject)
    outgoing.end()
  })
}
