import { isJsonObject, type JsonObject, type JsonValue } from './json.js'

/**
 * Encodes an OpenAPI 2 document as the protobuf message openapi.v2.Document (google/gnostic, openapiv2/OpenAPIv2.proto), with the
 * parts that our documents have. kubectl before 1.30 reads nothing else.
 */
export function encodeOpenApiV2(document: JsonObject): Buffer {
  const info = objectAt(document, 'info')
  return message(
    text(1, document.swagger),
    field(2, message(text(1, info.title), text(2, info.version))),
    field(8, message(...named(objectAt(document, 'paths'), pathItem).map(path => field(2, path)))),
    field(9, message(...named(objectAt(document, 'definitions'), schema).map(definition => field(1, definition)))),
  )
}

const methodTags = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const

function pathItem(item: JsonObject): Buffer {
  return message(
    ...Object.entries(methodTags).flatMap(([method, tag]) => (isJsonObject(item[method]) ? [field(tag, operation(item[method]))] : [])),
    ...listAt(item, 'parameters').map(parameter => field(9, parametersItem(parameter))),
  )
}

function operation(value: JsonObject): Buffer {
  const responses = named(objectAt(value, 'responses'), response => {
    const body = objectAt(response, 'schema')
    return field(1, message(text(1, response.description), field(2, field(1, schema(body)))))
  })
  return message(
    ...texts(6, value.produces),
    ...texts(7, value.consumes),
    ...listAt(value, 'parameters').map(parameter => field(8, parametersItem(parameter))),
    field(9, message(...responses.map(response => field(1, response)))),
    ...extensions(13, value),
  )
}

/** ParametersItem → Parameter → body, or non-body → query or path. */
function parametersItem(parameter: JsonObject): Buffer {
  const { name, required } = parameter
  if (parameter.in === 'body') {
    const body = message(text(2, name), text(3, 'body'), bool(4, required), field(5, schema(objectAt(parameter, 'schema'))))
    return field(1, field(1, body))
  }
  const isPath = parameter.in === 'path'
  const typeTag = isPath ? 5 : 6
  const nonBody = message(bool(1, required), text(2, parameter.in), text(4, name), text(typeTag, parameter.type))
  return field(1, field(2, field(isPath ? 4 : 3, nonBody)))
}

function schema(value: JsonObject): Buffer {
  const { additionalProperties, items, properties } = value
  return message(
    text(1, value.$ref),
    text(2, value.format),
    ...texts(19, value.required),
    ...(isJsonObject(additionalProperties) ? [field(21, field(1, schema(additionalProperties)))] : []),
    ...(typeof value.type === 'string' ? [field(22, text(1, value.type))] : []),
    ...(isJsonObject(items) ? [field(23, field(1, schema(items)))] : []),
    ...(isJsonObject(properties) ? [field(25, message(...named(properties, schema).map(property => field(1, property))))] : []),
    ...extensions(31, value),
  )
}

/** Extensions are NamedAny: the name, and the value as YAML, of which JSON is a part. */
const extensions = (tag: number, value: JsonObject): Buffer[] =>
  Object.entries(value)
    .filter(([name]) => name.startsWith('x-'))
    .map(([name, content]) => field(tag, message(text(1, name), field(2, text(2, JSON.stringify(content))))))

/** NamedX messages: a name, and the value as a message. */
const named = (values: JsonObject, encode: (value: JsonObject) => Buffer): Buffer[] =>
  Object.entries(values).flatMap(([name, value]) => (isJsonObject(value) ? [message(text(1, name), field(2, encode(value)))] : []))

const objectAt = (value: JsonObject, key: string): JsonObject => (isJsonObject(value[key]) ? value[key] : {})
const listAt = (value: JsonObject, key: string): JsonObject[] => (Array.isArray(value[key]) ? value[key].filter(isJsonObject) : [])

const nothing = Buffer.alloc(0)
const message = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts)
const field = (tag: number, bytes: Buffer): Buffer => Buffer.concat([varint(tag * 8 + 2), varint(bytes.length), bytes])
const text = (tag: number, value: JsonValue | undefined): Buffer => (typeof value === 'string' ? field(tag, Buffer.from(value)) : nothing)
const bool = (tag: number, value: JsonValue | undefined): Buffer => (value === true ? Buffer.concat([varint(tag * 8), varint(1)]) : nothing)
const texts = (tag: number, values: JsonValue | undefined): Buffer[] => (Array.isArray(values) ? values.map(value => text(tag, value)) : [])

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return Buffer.from([...bytes, rest])
}
