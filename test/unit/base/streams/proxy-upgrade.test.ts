import { once } from 'node:events'
import { createServer, request, type Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'

import { proxyUpgrade, upgradeHeaders } from '../../../../src/base/streams/proxy-upgrade.js'
import { requestUpgrade } from '../../../support/upgrade-request.js'

async function listening(t: Test, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** A server that hands every upgrade on to `port`. */
function proxyTo(t: Test, port: number): Promise<number> {
  const proxy = createServer().on('upgrade', (incoming, socket: Duplex, head) => {
    socket.on('error', () => {})
    const outgoing = request({ host: '127.0.0.1', port, method: incoming.method, agent: false, headers: upgradeHeaders(incoming) })
    proxyUpgrade({ socket, head }, outgoing).then(
      refused => {
        if (!refused) return
        const response = new ServerResponse(incoming)
        response.assignSocket(socket as Socket)
        response.writeHead(refused.statusCode ?? 0)
        refused.pipe(response)
      },
      () => socket.destroy(),
    )
  })
  return listening(t, proxy)
}

/** A server that accepts and echoes, and keeps what it was asked and the connection. */
async function echo(t: Test) {
  const seen: { headers: NodeJS.Dict<string[]>; socket: Duplex }[] = []
  const server = createServer().on('upgrade', ({ headersDistinct }, socket: Duplex) => {
    socket.on('error', () => {})
    seen.push({ headers: headersDistinct, socket })
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4\r\n\r\nhello ',
    )
    socket.pipe(socket)
  })
  return { seen, port: await listening(t, server) }
}

t.test('bytes pass both ways, the last one included', async t => {
  const { seen, port } = await echo(t)
  const upgraded = await requestUpgrade({
    protocol: 'http:',
    host: '127.0.0.1',
    port: await proxyTo(t, port),
    headers: { 'x-stream-protocol-version': ['v4', 'v3'], authorization: 'secret' },
  })
  if (!('socket' in upgraded)) throw new Error(`refused: ${upgraded.status}`)
  t.match(upgraded.headers, { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4' })
  t.match(seen[0]?.headers, { upgrade: ['SPDY/3.1'], 'x-stream-protocol-version': ['v4', 'v3'] }, 'a line for each value')
  t.notOk(seen[0]?.headers.authorization, 'nothing else is told')
  const bytes = Buffer.alloc(3_000_000, 'podwire')
  upgraded.socket.end(bytes)
  const chunks: Buffer[] = []
  for await (const chunk of upgraded.socket) chunks.push(chunk as Buffer)
  t.ok(Buffer.concat(chunks).equals(Buffer.concat([Buffer.from('hello '), bytes])))
})

t.test('neither side outlives the other', async t => {
  const { seen, port } = await echo(t)
  const proxy = await proxyTo(t, port)
  for (const goes of ['client', 'server'] as const) {
    const upgraded = await requestUpgrade({ protocol: 'http:', host: '127.0.0.1', port: proxy })
    if (!('socket' in upgraded)) throw new Error(`refused: ${upgraded.status}`)
    const far = seen.at(-1)!.socket
    const [first, other] = goes === 'client' ? [upgraded.socket, far] : [far, upgraded.socket]
    other.resume()
    const closed = once(other, 'close')
    first.destroy()
    await closed
    t.pass(`the ${goes} went`)
  }
})

t.test('another answer is handed back', async t => {
  const port = await listening(
    t,
    createServer().on('upgrade', (_, socket: Duplex) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')),
  )
  t.match(await requestUpgrade({ protocol: 'http:', host: '127.0.0.1', port: await proxyTo(t, port) }), { status: 403, body: 'no' })
})
