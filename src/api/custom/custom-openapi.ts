import { isJsonObject, type JsonObject, type JsonValue } from '../json.js'
import type { StructuralSchema } from './structural-schema.js'

const metaTypes = 'io.k8s.apimachinery.pkg.apis.meta.v1'

export interface DescribedKind {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly listKind: string
  readonly typePath: string
  readonly schema: StructuralSchema
}

/** The name of a kind's type in OpenAPI: the group backwards, as `dev.podwire.v1alpha1.FlowTest`. */
export const customTypePath = ({ group, version, kind }: Pick<DescribedKind, 'group' | 'version' | 'kind'>): string =>
  `${group.split('.').reverse().join('.')}.${version}.${kind}`

/** The types of a kind and of its lists, as one version of OpenAPI writes them. */
export function customOpenApi(described: DescribedKind, openApi: 2 | 3): Readonly<Record<string, JsonObject>> {
  const { group, version, kind, listKind, typePath, schema } = described
  const prefix = openApi === 2 ? '#/definitions/' : '#/components/schemas/'
  const own = published(schema, openApi)
  const properties = isJsonObject(own.properties) ? own.properties : {}
  const typeMeta = {
    apiVersion: { type: 'string', description: 'The version of the schema that this object is written in.' },
    kind: { type: 'string', description: 'The kind of this object.' },
  }
  const isClosed = schema.properties !== undefined || schema['x-kubernetes-preserve-unknown-fields'] !== true
  return {
    [typePath]: {
      ...own,
      ...(isClosed && { properties: { ...properties, ...typeMeta, metadata: ref(`${prefix}${metaTypes}.ObjectMeta`, openApi) } }),
      'x-kubernetes-group-version-kind': [{ group, version, kind }],
    },
    [`${typePath}List`]: {
      type: 'object',
      description: `${listKind} is a list of ${kind}`,
      required: ['items'],
      properties: {
        ...typeMeta,
        metadata: ref(`${prefix}${metaTypes}.ListMeta`, openApi),
        items: { type: 'array', items: { $ref: `${prefix}${typePath}` } },
      },
      'x-kubernetes-group-version-kind': [{ group, version, kind: listKind }],
    },
  }
}

const ref = ($ref: string, openApi: 2 | 3): JsonObject => (openApi === 2 ? { $ref } : { allOf: [{ $ref }] })

/** Keywords that version 2 has not. */
const onlyIn3 = ['oneOf', 'anyOf', 'allOf', 'not', 'nullable', 'x-kubernetes-validations']

/**
 * A schema as it is published. Version 2 cannot say everything: clients that validate by it must not refuse what the server takes, so
 * what it cannot say is left open (apiextensions, pkg/controller/openapi/v2).
 */
function published(schema: StructuralSchema, openApi: 2 | 3): JsonObject {
  const result: JsonObject = {}
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] === true || schema.nullable === true
  for (const [key, value] of Object.entries(schema as unknown as JsonObject)) {
    if (openApi === 2 && onlyIn3.includes(key)) continue
    if (openApi === 2 && isOpen && ['type', 'properties', 'items', 'additionalProperties', 'required'].includes(key)) continue
    result[key] = publishedKeyword(key, value, openApi)
  }
  return result
}

function publishedKeyword(key: string, value: JsonValue, openApi: 2 | 3): JsonValue {
  const below = (one: JsonValue): JsonValue => (isJsonObject(one) ? published(one as StructuralSchema, openApi) : one)
  if (key === 'properties' && isJsonObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, property]) => [name, below(property)]))
  }
  if (['items', 'additionalProperties', 'not'].includes(key)) return below(value)
  if (['allOf', 'anyOf', 'oneOf'].includes(key) && Array.isArray(value)) return value.map(below)
  return value
}
