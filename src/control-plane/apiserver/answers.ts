import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import { stringify } from 'yaml'

import type { Status } from '../../api/generated/types.js'

export type ApiServerResponse = ServerResponse | Http2ServerResponse

/** What a handler answers; a watch writes by itself and returns nothing. */
export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string | Buffer
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
}

export const jsonType = 'application/json'

export const jsonAnswer = (value: unknown, status = 200, contentType = jsonType): Answer => ({
  status,
  contentType,
  body: JSON.stringify(value),
})

export const bytesAnswer = (body: Buffer | string, status = 200): Answer => ({ status, contentType: jsonType, body })

export const textAnswer = (body: string, status = 200): Answer => ({ status, contentType: 'text/plain; charset=utf-8', body })

export const statusAnswer = (status: Status): Answer => jsonAnswer(status, status.code ?? 500)

/** The same answer in YAML. */
export const asYaml = (answer: Answer): Answer => ({
  ...answer,
  contentType: 'application/yaml',
  body: stringify(JSON.parse(answer.body.toString())),
})

/** RFC 7234 warnings, as kubectl prints them. */
export const warningHeader = (messages: readonly string[]): Readonly<Record<string, readonly string[]>> =>
  messages.length === 0 ? {} : { warning: messages.map(message => `299 - ${JSON.stringify(message)}`) }

export function send(response: ApiServerResponse, { status, contentType, body, headers = {} }: Answer): void {
  if (response.headersSent) {
    response.end()
    return
  }
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  response.statusCode = status
  response.setHeader('content-type', contentType)
  response.setHeader('content-length', bytes.length)
  response.setHeader('cache-control', 'no-cache, private')
  for (const [name, value] of Object.entries(headers))
    response.setHeader(name, typeof value === 'string' ? value : [...value])
    // Both kinds of response take a Buffer; their overloads share no common call.
  ;(response as ServerResponse).end(bytes)
}
