import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from 'node:http2'
import { PodwireError } from '../base/errors/podwire-error.js'
import type { ClientConfig } from './client-config.js'

/** How often a connection is asked whether it still lives, and how long the answer may take. */
const pingIntervalMs = 10_000
/** Room for what a list or many watches send before we have read it; HTTP/2's own 64 KiB would make each wait for the others. */
const windowBytes = 16 * 1024 * 1024

export interface HttpRequest {
  readonly method: string
  readonly path: string
  readonly accept?: string
  readonly contentType?: string
  readonly body?: string
}

/** A stream whose headers have come; the body is still to be read. */
export interface HttpAnswer {
  readonly status: number
  readonly stream: ClientHttp2Stream
}

/**
 * One HTTP/2 connection, opened when first needed and again after it broke. All requests and watches share it, so a component
 * with twenty informers makes one TLS handshake.
 */
export class HttpConnection {
  readonly #config: ClientConfig
  readonly #token: () => Promise<string | undefined>
  #session: ClientHttp2Session | undefined
  #closed = false

  constructor(config: ClientConfig) {
    this.#config = config
    this.#token = tokenReader(config)
  }

  /** Sends the request and waits for the answer's headers. Errors: API_UNREACHABLE; the signal's reason when aborted. */
  async open(request: HttpRequest, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    const token = await this.#token()
    signal?.throwIfAborted()
    const headers: OutgoingHttpHeaders = {
      ':method': request.method,
      ':path': request.path,
      accept: request.accept ?? 'application/json',
      'user-agent': this.#config.userAgent ?? 'podwire',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(request.contentType === undefined ? {} : { 'content-type': request.contentType }),
    }
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown) => reject(signal?.aborted ? signal.reason : this.#unreachable(cause))
      let stream: ClientHttp2Stream
      try {
        stream = this.#connected().request(headers, { endStream: request.body === undefined })
      } catch (error) {
        fail(error)
        return
      }
      const abort = () => {
        stream.close(constants.NGHTTP2_CANCEL)
        fail(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      stream.on('error', fail)
      stream.once('close', () => {
        signal?.removeEventListener('abort', abort)
        fail(new Error('the connection closed before an answer came'))
      })
      stream.once('response', answer => resolve({ status: Number(answer[':status']), stream }))
      if (request.body !== undefined) stream.end(request.body)
    })
  }

  /** Reads the rest of an answer. Errors: API_UNREACHABLE when it is cut short; the signal's reason when aborted. */
  readAll({ stream }: HttpAnswer, signal: AbortSignal | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.once('error', () => {}) // 'close' follows and tells.
      const finish = () => {
        if (endedWell(stream)) resolve(Buffer.concat(chunks).toString('utf8'))
        else reject(signal?.aborted ? signal.reason : this.#unreachable(new Error('the answer was cut short')))
      }
      if (stream.destroyed) finish()
      else stream.once('close', finish)
    })
  }

  /**
   * The lines of an answer that goes on, until the server ends it. It is read as it comes, however slow the caller is,
   * so that one watch never blocks the others on the connection. Errors: as readAll.
   */
  async *readLines({ stream }: HttpAnswer, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    let lines: string[] = []
    let rest = ''
    let over = stream.destroyed
    let wake = () => {}
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) lines.push(part)
      wake()
    })
    stream.once('error', () => {}) // 'close' follows and tells.
    stream.once('close', () => {
      over = true
      wake()
    })
    const abort = () => stream.close(constants.NGHTTP2_CANCEL)
    signal.addEventListener('abort', abort, { once: true })
    try {
      for (;;) {
        const batch = lines
        lines = []
        for (const line of batch) {
          signal.throwIfAborted()
          if (line !== '') yield line
        }
        if (lines.length > 0) continue
        if (over) break
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    } finally {
      signal.removeEventListener('abort', abort)
    }
    signal.throwIfAborted()
    if (!endedWell(stream)) throw this.#unreachable(new Error('the answer was cut short'))
  }

  close(): void {
    this.#closed = true
    this.#session?.destroy()
  }

  #connected(): ClientHttp2Session {
    if (this.#closed) throw new Error('the client was closed')
    const current = this.#session
    if (current && !current.closed && !current.destroyed) return current
    const { server, ca, cert, key, tlsServerName, insecureSkipTlsVerify } = this.#config
    const session = connect(server, {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
      rejectUnauthorized: insecureSkipTlsVerify !== true,
      maxSessionMemory: 64,
      settings: { enablePush: false, initialWindowSize: windowBytes },
    })
    this.#session = session
    const forget = () => {
      if (this.#session === session) this.#session = undefined
    }
    session.on('error', forget) // The streams on it report the error to their callers.
    session.on('goaway', forget)
    session.on('close', forget)
    session.once('connect', () => session.setLocalWindowSize(windowBytes))
    watchOver(session)
    return session
  }

  #unreachable(cause: unknown): PodwireError {
    if (cause instanceof PodwireError) return cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new PodwireError('API_UNREACHABLE', `The API server ${this.#config.server} could not be reached: ${reason}`, { cause })
  }
}

const endedWell = (stream: ClientHttp2Stream): boolean =>
  stream.readableEnded && !stream.aborted && stream.rstCode === constants.NGHTTP2_NO_ERROR

/** Destroys a session whose peer vanished without a word, as when the network between is cut; TCP alone would take a quarter of an hour. */
function watchOver(session: ClientHttp2Session): void {
  let answered = true
  const timer = setInterval(() => {
    if (session.connecting || session.destroyed) return // Between destroy() and 'close' a ping would throw.
    if (!answered) {
      session.destroy(new Error(`no answer to a ping within ${pingIntervalMs} ms`))
      return
    }
    answered = false
    session.ping(error => {
      answered = error === null
    })
  }, pingIntervalMs)
  timer.unref()
  session.once('close', () => clearInterval(timer))
}

/** Token files are rotated in place, so the text is read again whenever the file has changed. */
function tokenReader({ token, tokenFile }: ClientConfig): () => Promise<string | undefined> {
  if (tokenFile === undefined) return async () => token
  let known = { text: '', mtimeMs: -1 }
  return async () => {
    const { mtimeMs } = statSync(tokenFile)
    if (mtimeMs !== known.mtimeMs) known = { text: (await readFile(tokenFile, 'utf8')).trim(), mtimeMs }
    return known.text
  }
}
