import { once } from 'node:events'
import { createServer } from 'node:http'

/** Serves one path with 200 while `isGood()`, 503 otherwise, until `signal` aborts; resolves with the port once it listens. */
export async function serveHealth(
  { port, path, isGood }: { readonly port: number; readonly path: string; readonly isGood: () => boolean },
  signal: AbortSignal,
): Promise<number> {
  const server = createServer((request, response) => {
    const status = request.url !== path ? 404 : isGood() ? 200 : 503
    response.writeHead(status, { 'content-type': 'text/plain' }).end(status === 200 ? 'OK' : '')
  })
  server.listen(port)
  await once(server, 'listening')
  signal.addEventListener('abort', () => void server.close(), { once: true })
  const bound = server.address()
  return typeof bound === 'object' && bound ? bound.port : port
}
