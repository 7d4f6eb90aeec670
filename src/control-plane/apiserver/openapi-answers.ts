import { createHash } from 'node:crypto'

import { apiVersionOf } from '../../api/api-resource.js'
import { openApiV2 } from '../../api/openapi-v2.js'
import { encodeOpenApiV2 } from '../../api/openapi-v2-protobuf.js'
import { openApiV3 } from '../../api/openapi-v3.js'
import type { ResourceType } from '../../api/resource-type.js'
import { notAcceptable } from '../../api/status.js'
import { type Answer, bytesAnswer, jsonAnswer } from './answers.js'
import type { ApiServerRequest } from './authentication.js'
import { acceptedRanges } from './negotiation.js'

/** Answers `/openapi/v2`, `/openapi/v3` and the documents below it; undefined for other paths. */
export type OpenApiAnswers = (request: ApiServerRequest, path: string) => Answer | undefined

const protobufV2 = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'
/** Go's parser of media types refuses the `@` that clients themselves put into Accept. */
const protobufV2Answer = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

/** Documents are made when first asked for, then kept until the table is another. */
export function createOpenApiAnswers(table: () => readonly ResourceType[]): OpenApiAnswers {
  let rows: readonly ResourceType[] = []
  let answers: OpenApiAnswers = () => undefined
  return (request, path) => {
    if (!path.startsWith('/openapi/')) return undefined
    if (rows !== table()) {
      rows = table()
      answers = answersOf(rows)
    }
    return answers(request, path)
  }
}

function answersOf(table: readonly ResourceType[]): OpenApiAnswers {
  const versions = new Map<string, ResourceType[]>()
  for (const row of table) {
    const key = row.group === '' ? `api/${row.version}` : `apis/${apiVersionOf(row)}`
    versions.set(key, [...(versions.get(key) ?? []), row])
  }
  const documents = new Map<string, Buffer>()
  const kept = (key: string, make: () => Buffer): Buffer => {
    const found = documents.get(key) ?? make()
    documents.set(key, found)
    return found
  }
  const v2 = () => openApiV2(table)
  const v3 = (key: string): Buffer => kept(key, () => Buffer.from(JSON.stringify(openApiV3(versions.get(key) ?? []))))
  const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex').toUpperCase()

  return (request, path) => {
    if (path === '/openapi/v2') {
      for (const { type } of acceptedRanges(request)) {
        if (type === protobufV2 || type === protobufV2Answer) {
          return { status: 200, contentType: protobufV2Answer, body: kept('v2 protobuf', () => encodeOpenApiV2(v2())) }
        }
        if (['application/json', '*/*', 'application/*'].includes(type))
          return bytesAnswer(kept('v2', () => Buffer.from(JSON.stringify(v2()))))
      }
      throw notAcceptable(['application/json', protobufV2])
    }
    if (path === '/openapi/v3' || path === '/openapi/v3/') {
      const entries = [...versions.keys()].map(key => [key, { serverRelativeURL: `/openapi/v3/${key}?hash=${hashOf(v3(key))}` }])
      return jsonAnswer({ paths: Object.fromEntries(entries) })
    }
    const key = path.startsWith('/openapi/v3/') ? path.slice('/openapi/v3/'.length) : ''
    if (!versions.has(key)) return undefined
    if (!acceptedRanges(request).some(({ type }) => ['application/json', '*/*', 'application/*'].includes(type))) {
      throw notAcceptable(['application/json'])
    }
    return bytesAnswer(v3(key))
  }
}
