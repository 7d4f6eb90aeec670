import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { TLSSocket } from 'node:tls'

/** Who sends a request. */
export interface User {
  readonly name: string
  readonly uid?: string
  readonly groups: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

export type ApiServerRequest = IncomingMessage | Http2ServerRequest

/** One way to learn who sends a request; undefined when the request does not use it. Throws 401 for proof that does not hold. */
export type Authenticator = (request: ApiServerRequest) => Promise<User | undefined> | User | undefined

const everybody = 'system:authenticated'

/** Users by client certificate: the subject's CN is the name, each O a group. The TLS layer has checked the signature. */
export function certificateAuthenticator(): Authenticator {
  const known = new WeakMap<object, User | undefined>()
  return request => {
    const connection = 'stream' in request ? request.stream.session : request.socket
    if (!connection) return undefined
    if (!known.has(connection)) known.set(connection, userOfCertificate('socket' in connection ? connection.socket : connection))
    return known.get(connection)
  }
}

function userOfCertificate(socket: object): User | undefined {
  if (!isTls(socket) || !socket.authorized) return undefined
  const { subject } = socket.getPeerCertificate()
  const name = [subject?.CN].flat()[0]
  if (!name) return undefined
  return { name, groups: [...[subject.O ?? []].flat(), everybody] }
}

/** HTTP/2 hands out a proxy of its socket: no instance of TLSSocket, and blind to `in`. */
const isTls = (socket: object): socket is TLSSocket => typeof (socket as Partial<TLSSocket>).getPeerCertificate === 'function'

/** The bearer token of a request, if it has one. */
export function bearerToken({ headers }: ApiServerRequest): string | undefined {
  const [, token] = /^bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
  return token
}
