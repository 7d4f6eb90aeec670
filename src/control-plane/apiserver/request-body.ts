import { parse as parseYaml } from 'yaml'

import { deepestJson } from '../../api/decode-object.js'
import { findDuplicateFields } from '../../api/duplicate-fields.js'
import type { JsonValue } from '../../api/json.js'
import { decodeProtobufBody } from '../../api/protobuf-body.js'
import { badRequest, refusal, tooLarge, unsupportedMediaType } from '../../api/status.js'
import type { PodwireError } from '../../base/errors/podwire-error.js'
import type { ApiServerRequest } from './authentication.js'

/** Upstream's limit for the body of a resource request. */
export const largestBody = 3 * 1024 * 1024
/** How long a client may take over a body. */
const bodyMs = 30_000

/** A parsed body. */
export interface Body {
  readonly value: JsonValue
  /** Paths of fields that the text gives twice; the last one counts. */
  readonly duplicateFields: readonly string[]
}

const requestTimeout = (): PodwireError =>
  refusal({ http: 408, reason: 'Timeout', message: `the body of the request did not come within ${bodyMs / 1000} s` })

const openBrace = 0x7b
const protobuf = 'application/vnd.kubernetes.protobuf'
const accepted = ['application/json', 'application/yaml', protobuf]

/** Reads the whole body. Throws 413 beyond the limit, as soon as that is known, and 408 when the client takes too long over it. */
export function readBody(request: ApiServerRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > largestBody) return reject(tooLarge(largestBody))
    const chunks: Buffer[] = []
    let size = 0
    const stop = (settle: () => void): void => {
      clearTimeout(timer)
      request.off('data', read).off('end', end).off('error', fail).off('close', close)
      settle()
    }
    const refuse = (error: PodwireError): void => {
      stop(() => reject(error))
      request.resume() // The rest is thrown away, or the answer could not be sent.
    }
    const read = (chunk: Buffer): void => {
      size += chunk.length
      if (size > largestBody) refuse(tooLarge(largestBody))
      else chunks.push(chunk)
    }
    const end = (): void => stop(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)))
    const fail = (error: unknown): void => stop(() => reject(badRequest('the body of the request ended early', error)))
    const close = (): void => fail(new Error('the connection closed'))
    const timer = setTimeout(() => refuse(requestTimeout()), bodyMs)
    request.on('data', read).on('end', end).on('error', fail).on('close', close)
  })
}

export const mediaTypeOf = (request: ApiServerRequest): string =>
  (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()

/** Parses a body by its Content-Type; without one it is JSON, as kubectl's scale and create send. Throws 400 or 415. */
export function parseBody(bytes: Buffer, mediaType: string): Body {
  switch (mediaType) {
    case '':
    case 'application/json':
    case 'application/json-patch+json':
    case 'application/merge-patch+json':
    case 'application/strategic-merge-patch+json':
      return parseJson(bytes)
    case 'application/apply-patch+yaml':
      // Most clients send JSON, which is YAML too.
      return bytes[0] === openBrace ? parseJson(bytes) : parseYamlBody(bytes)
    case 'application/yaml':
      return parseYamlBody(bytes)
    case protobuf:
      return { value: decodeProtobufBody(bytes), duplicateFields: [] }
    default:
      throw unsupportedMediaType(accepted)
  }
}

function parseJson(bytes: Buffer): Body {
  const text = bytes.toString('utf8')
  let value: JsonValue
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw badRequest(`the body of the request is not valid JSON: ${error instanceof Error ? error.message : error}`, error)
  }
  refuseDeep(value)
  return { value, duplicateFields: findDuplicateFields(text) }
}

function parseYamlBody(bytes: Buffer): Body {
  try {
    const value = parseYaml(bytes.toString('utf8'), { maxAliasCount: 100 }) as JsonValue
    refuseDeep(value)
    return { value, duplicateFields: [] }
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: ${error instanceof Error ? error.message.split('\n')[0] : error}`, error)
  }
}

/** Everything after this may recurse. */
function refuseDeep(value: JsonValue): void {
  let level: JsonValue[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepestJson) throw badRequest(`the body of the request is nested deeper than ${deepestJson} levels`)
    level = level.flatMap(item => (typeof item === 'object' && item !== null ? Object.values(item) : []))
  }
}
