import { parse as parseYaml } from 'yaml'

import { deepestJson } from '../../api/decode-object.js'
import { findDuplicateFields } from '../../api/duplicate-fields.js'
import type { JsonValue } from '../../api/json.js'
import { decodeProtobufBody } from '../../api/protobuf-body.js'
import { badRequest, tooLarge, unsupportedMediaType } from '../../api/status.js'
import { PodwireError } from '../../base/errors/podwire-error.js'
import type { ApiServerRequest } from './authentication.js'

/** Upstream's limit for the body of a resource request. */
export const largestBody = 3 * 1024 * 1024

/** A parsed body. */
export interface Body {
  readonly value: JsonValue
  /** Paths of fields that the text gives twice; the last one counts. */
  readonly duplicateFields: readonly string[]
}

const openBrace = 0x7b
const protobuf = 'application/vnd.kubernetes.protobuf'
const accepted = ['application/json', 'application/yaml', protobuf]

/** Reads the whole body. Throws 413 beyond the limit, as soon as that is known. */
export async function readBody(request: ApiServerRequest): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > largestBody) throw tooLarge(largestBody)
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > largestBody) throw tooLarge(largestBody)
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof PodwireError ? error : badRequest('the body of the request ended early', error)
  }
  return Buffer.concat(chunks)
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
