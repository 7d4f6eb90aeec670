/**
 * The server in `podwire/toolbox` that tells what it saw of its client. It imports nothing of podwire's.
 *
 *   node /podwire/test-server.js [--http 8080] [--tcp 9000] [--udp 9001] [--address ::] [--linger-ms 0]
 *
 * Without ports it serves HTTP on $PORT or 8080. A port flag may be given several times. `--linger-ms`: how long it goes on serving after SIGTERM.
 *
 * Every answer is one JSON object on one line:
 *   { "pod": "web-1", "protocol": "http" | "tcp" | "udp", "client": { "address": "10.244.1.5", "port": 40312 },
 *     "server": { "address": "10.244.2.7", "port": 8080 }, … }
 * `pod` is $POD_NAME or the host name. `server` is the address of the accepted socket (for UDP the address it listens on).
 *   http   adds "method", "path" (with query) and "headers". Every path answers so, except:
 *          /hostname          the Pod's name as text
 *          /clientip          "address:port" of the client as text
 *          /healthz           200 "ok"
 *          /readyz            200 "ready" or 503 "not ready"
 *          /ready/on, /off    switches what /readyz says
 *          /bytes/N           N bytes of "x"
 *          /exit/N            answers, then ends the process with status N
 *   tcp    one answer a line received, with the line as "echo"
 *   udp    one answer a datagram, with its text as "echo"
 * On start it prints one line a socket: "http [::]:8080". On `::` it serves both families; IPv4 clients keep their usual form.
 */
import { createSocket } from 'node:dgram'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, isIPv6, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    http: { type: 'string', multiple: true },
    tcp: { type: 'string', multiple: true },
    udp: { type: 'string', multiple: true },
    address: { type: 'string', default: '::' },
    'linger-ms': { type: 'string', default: '0' },
  },
})
const ports = { http: values.http ?? [], tcp: values.tcp ?? [], udp: values.udp ?? [] }
if (Object.values(ports).every(list => list.length === 0)) ports.http = [process.env.PORT ?? '8080']

const pod = process.env.POD_NAME ?? hostname()
let isReady = true

/** `::ffff:10.244.1.5` → `10.244.1.5` (RFC 4291, section 2.5.5.2). */
const unmapped = (address: string | undefined): string | undefined => address?.replace(/^::ffff:(?=\d+\.)/, '')

const seenBy = (protocol: string, socket: Socket) => ({
  pod,
  protocol,
  client: { address: unmapped(socket.remoteAddress), port: socket.remotePort },
  server: { address: unmapped(socket.localAddress), port: socket.localPort },
})

function answerHttp(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? '/'
  const [, word, argument = ''] = path.split('?')[0]!.split('/')
  const text = (body: string, status = 200) => response.writeHead(status, { 'content-type': 'text/plain' }).end(body)
  switch (word) {
    case 'hostname':
      text(pod)
      return
    case 'clientip':
      text(`${request.socket.remoteAddress}:${request.socket.remotePort}`)
      return
    case 'healthz':
      text('ok')
      return
    case 'readyz':
      text(isReady ? 'ready' : 'not ready', isReady ? 200 : 503)
      return
    case 'ready':
      isReady = argument === 'on'
      text(isReady ? 'ready' : 'not ready')
      return
    case 'bytes':
      text('x'.repeat(Number(argument)))
      return
    case 'exit':
      response.on('finish', () => process.exit(Number(argument)))
      text(`exit ${argument}`)
      return
    default: {
      const body = { ...seenBy('http', request.socket), method: request.method, path, headers: request.headers }
      response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
    }
  }
}

function answerLines(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  const lines = createInterface({ input: socket })
  lines.on('line', echo => socket.write(`${JSON.stringify({ ...seenBy('tcp', socket), echo })}\n`))
}

function announce(protocol: string, at: AddressInfo | string | null): void {
  if (at !== null && typeof at !== 'string') console.log(`${protocol} ${isIPv6(at.address) ? `[${at.address}]` : at.address}:${at.port}`)
}

const closers: (() => void)[] = []
for (const port of ports.http) {
  const server = createHttpServer(answerHttp)
  server.listen(Number(port), values.address, () => announce('http', server.address()))
  closers.push(() => server.close())
}
for (const port of ports.tcp) {
  const server = createTcpServer(answerLines)
  server.listen(Number(port), values.address, () => announce('tcp', server.address()))
  closers.push(() => server.close())
}
for (const port of ports.udp) {
  const socket = createSocket(isIPv6(values.address) ? 'udp6' : 'udp4')
  socket.on('message', (message, from) => {
    const client = { address: unmapped(from.address), port: from.port }
    socket.send(
      `${JSON.stringify({ pod, protocol: 'udp', client, server: socket.address(), echo: message.toString() })}\n`,
      from.port,
      from.address,
    )
  })
  socket.bind(Number(port), values.address, () => announce('udp', socket.address()))
  closers.push(() => socket.close())
}

process.once('SIGTERM', () => {
  setTimeout(() => {
    for (const close of closers) close()
    process.exit(0)
  }, Number(values['linger-ms']))
})
