import type { JsonObject } from './json.js'
import { type Operation, operationsOf } from './openapi-paths.js'
import { schemasOf } from './openapi-schema.js'
import type { ResourceType } from './resource-type.js'
import { apiFacts } from './schema.js'

const prefix = '#/definitions/'

/** The OpenAPI 2 document of the whole API, made from the facts: what kubectl before 1.30 asks for. */
export function openApiV2(rows: readonly ResourceType[]): JsonObject {
  const paths: Record<string, JsonObject> = {}
  for (const operation of operationsOf(rows)) {
    const item = paths[operation.path] ?? { parameters: operation.pathParameters.map(pathParameter) }
    item[operation.method] = operationObject(operation)
    paths[operation.path] = item
  }
  return { swagger: '2.0', info: { title: 'Kubernetes', version: apiFacts.kubernetes }, paths, definitions: schemasOf(rows, prefix) }
}

const pathParameter = (name: string): JsonObject => ({ name, in: 'path', required: true, type: 'string', uniqueItems: true })

function operationObject({ action, gvk, queryParameters, request, response, consumes }: Operation): JsonObject {
  const schema = (type: string): JsonObject => ({ $ref: `${prefix}${type}` })
  return {
    consumes: [...consumes],
    produces: ['application/json'],
    parameters: [
      ...queryParameters.map(({ name, type }) => ({ name, in: 'query', type, uniqueItems: true })),
      ...(request === undefined ? [] : [{ name: 'body', in: 'body', required: action !== 'delete', schema: schema(request) }]),
    ],
    responses: { '200': { description: 'OK', schema: schema(response) } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
  }
}
