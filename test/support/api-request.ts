import { request as httpsRequest } from 'node:https'

import type { TestApiServer } from './api-server.js'
import type { TestIdentity } from './test-pki.js'

export interface RawRequest {
  readonly method?: string
  readonly body?: string | Buffer | object
  readonly headers?: Readonly<Record<string, string>>
  /** The administrator when absent; `null` comes without a certificate. */
  readonly identity?: TestIdentity | null
}

export interface RawAnswer<T> {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly text: string
  /** The body as JSON; undefined when it is none. */
  readonly json: T
}

/** One request over HTTP/1.1, with nothing added that the test did not ask for. */
// biome-ignore lint/suspicious/noExplicitAny: the caller knows what it asked for
export function apiRequest<T = any>(api: TestApiServer, path: string, options: RawRequest = {}): Promise<RawAnswer<T>> {
  const { method = 'GET', body, headers = {}, identity = api.admin } = options
  const bytes = body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      `${api.url}${path}`,
      {
        method,
        ca: api.pki.ca,
        ...(identity ?? {}),
        agent: false,
        headers: {
          ...(bytes !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) }),
          ...headers,
        },
      },
      response => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) as T })
        })
      },
    )
    request.on('error', reject)
    request.end(bytes)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export interface WatchedEvent {
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: the caller knows what it watches
  readonly object: any
}

/** A watch being read: events as they come. */
export interface OpenWatch {
  /** The next event; rejects when the watch ends. */
  next(): Promise<WatchedEvent>
  /** Resolves when the server has ended the watch. */
  readonly ended: Promise<void>
  close(): void
}

/** Opens a watch by its path, as `/api/v1/pods?watch=true`; resolves once the server has answered with its headers. */
export function openWatch(api: TestApiServer, path: string, headers: Readonly<Record<string, string>> = {}): Promise<OpenWatch> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(`${api.url}${path}`, { ca: api.pki.ca, ...api.admin, agent: false, headers }, response => {
      const events: WatchedEvent[] = []
      const readers: { resolve(event: WatchedEvent): void; reject(error: Error): void }[] = []
      let rest = ''
      let over = false
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const event = JSON.parse(line) as WatchedEvent
          const reader = readers.shift()
          if (reader) reader.resolve(event)
          else events.push(event)
        }
      })
      const ended = new Promise<void>(done => {
        response.on('close', () => {
          over = true
          for (const reader of readers) reader.reject(new Error('the watch has ended'))
          done()
        })
      })
      response.on('error', () => undefined)
      resolve({
        next: () => {
          const event = events.shift()
          if (event) return Promise.resolve(event)
          if (over) return Promise.reject(new Error('the watch has ended'))
          return new Promise((resolve, reject) => readers.push({ resolve, reject }))
        },
        ended,
        close: () => request.destroy(),
      })
    })
    request.on('error', reject)
    request.end()
  })
}
