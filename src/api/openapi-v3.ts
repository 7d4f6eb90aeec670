import type { JsonObject } from './json.js'
import { type Operation, operationsOf } from './openapi-paths.js'
import { schemasOf } from './openapi-schema.js'
import type { ResourceType } from './resource-type.js'
import { apiFacts } from './schema.js'

const prefix = '#/components/schemas/'

/** The OpenAPI 3 document of one group-version, made from the facts. */
export function openApiV3(rows: readonly ResourceType[]): JsonObject {
  const paths: Record<string, JsonObject> = {}
  for (const operation of operationsOf(rows)) {
    const item = paths[operation.path] ?? { parameters: operation.pathParameters.map(pathParameter) }
    item[operation.method] = operationObject(operation)
    paths[operation.path] = item
  }
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: apiFacts.kubernetes },
    paths,
    components: { schemas: schemasOf(rows, prefix) },
  }
}

const pathParameter = (name: string): JsonObject => ({ name, in: 'path', required: true, schema: { type: 'string', uniqueItems: true } })

function operationObject({ action, gvk, queryParameters, request, response, consumes }: Operation): JsonObject {
  const schema = (type: string): JsonObject => ({ schema: { $ref: `${prefix}${type}` } })
  const contentOf = (types: readonly string[], type: string): JsonObject => Object.fromEntries(types.map(name => [name, schema(type)]))
  return {
    parameters: queryParameters.map(({ name, type }) => ({ name, in: 'query', schema: { type, uniqueItems: true } })),
    ...(request !== undefined && { requestBody: { content: contentOf(consumes, request), required: action !== 'delete' } }),
    responses: { '200': { description: 'OK', content: contentOf(['application/json'], response) } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
  }
}
