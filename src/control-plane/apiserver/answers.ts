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

export function statusAnswer(status: Status): Answer {
  const answer = jsonAnswer(status, status.code ?? 500)
  const { retryAfterSeconds } = status.details ?? {}
  return retryAfterSeconds === undefined ? answer : { ...answer, headers: { 'retry-after': String(retryAfterSeconds) } }
}

/** The same answer in YAML. */
export const asYaml = (answer: Answer): Answer => ({
  ...answer,
  contentType: 'application/yaml',
  body: stringify(JSON.parse(answer.body.toString())),
})

/** Upstream's limits: beyond the whole, each warning is cut; what then is still too much is left out. */
const longestWarnings = 4096
const longestCutWarning = 256

/** Adds RFC 7234 warnings to what will be answered, as kubectl prints them; each once. */
export function warn(response: ApiServerResponse, messages: readonly string[]): void {
  const said = [response.getHeader('warning') ?? []].flat().map(String)
  const texts = messages.map(message => message.replace(/\p{Cc}/gu, ' '))
  const isLong = texts.reduce((sum, { length }) => sum + length, 0) > longestWarnings
  let room = longestWarnings - said.reduce((sum, { length }) => sum + length, 0)
  for (const text of texts) {
    const quoted = JSON.stringify(isLong ? text.slice(0, longestCutWarning) : text)
    room -= quoted.length
    if (room < 0) break
    // A header carries bytes: those of the text in UTF-8.
    said.push(`299 - ${Buffer.from(quoted).toString('latin1')}`)
  }
  if (said.length > 0) response.setHeader('warning', [...new Set(said)])
}

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
