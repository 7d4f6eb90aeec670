import { once } from 'node:events'
import { createServer } from 'node:http'

export interface Page {
  readonly status: number
  readonly body: string
  readonly contentType: string
}

/** Serves one path over HTTP, 404 for others, until `signal` aborts; resolves with the port once it listens. 0 takes a free one. */
export async function servePath(
  { port, path, answer }: { readonly port: number; readonly path: string; readonly answer: () => Page | Promise<Page> },
  signal: AbortSignal,
): Promise<number> {
  const server = createServer(async (request, response) => {
    const { status, body, contentType } = request.url === path ? await answer() : { status: 404, body: '', contentType: 'text/plain' }
    response.writeHead(status, { 'content-type': contentType }).end(body)
  })
  server.listen(port)
  await once(server, 'listening')
  signal.addEventListener('abort', () => void server.close(), { once: true })
  const bound = server.address()
  return typeof bound === 'object' && bound ? bound.port : port
}
