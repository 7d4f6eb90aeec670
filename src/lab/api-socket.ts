import { once } from 'node:events'
import { createServer } from 'node:net'

import { PodwireError } from '../base/errors/podwire-error.js'

/** A socket that listens on this machine's 127.0.0.1, to be handed over to a server that lives in another network namespace. */
export interface ApiSocket {
  readonly port: number
  readonly fd: number
  /** Closes this process's end; the server that has got the descriptor goes on. */
  close(): void
}

/** Opens the socket; port 0 takes a free one. Errors: PORT_IN_USE, NOT_PERMITTED. */
export async function openApiSocket(port: number): Promise<ApiSocket> {
  // Nobody knows the port yet; whoever tries it all the same must not wait for an answer.
  const server = createServer(connection => connection.destroy())
  try {
    server.listen({ host: '127.0.0.1', port })
    await once(server, 'listening')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new PodwireError('PORT_IN_USE', `port ${port} of 127.0.0.1 is taken by another program`, {
        hint: `Set api.port in the lab file to another port, or to 0 for a free one; who has it: ss -ltnp 'sport = :${port}'`,
        cause,
      })
    }
    if (code === 'EACCES') throw new PodwireError('NOT_PERMITTED', `port ${port} of 127.0.0.1 may not be opened`, { cause })
    throw cause
  }
  // Node offers the descriptor of a listening socket here only.
  const { _handle: handle } = server as unknown as { readonly _handle: { readonly fd: number } }
  const address = server.address() as { readonly port: number }
  return { port: address.port, fd: handle.fd, close: () => void server.close() }
}
