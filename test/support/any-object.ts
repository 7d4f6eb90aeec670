import fc from 'fast-check'
import type { ApiResource } from '../../src/api/api-resource.js'
import { apiVersionOf } from '../../src/api/api-resource.js'
import { isJsonObject, type JsonObject, type JsonValue } from '../../src/api/json.js'
import { type FieldSchema, typeSchema } from '../../src/api/schema.js'

/** Texts on which validations, parsers and tables may stumble. */
const texts = fc.constantFrom(
  ...['', 'a', 'web', '-1', '0', '1', '5%', '150%', '1e400', '10.0.0.1', '10.0.0.0/33', 'fe80::1', '::/0', '__proto__', 'constructor'],
  ...[
    'a.b/c',
    'A_B',
    'TCP',
    'Always',
    'None',
    '*',
    '*/5 * * * *',
    '@daily',
    '2026-01-01T00:00:00Z',
    'ä',
    '\u0000',
    '{',
    '$(x)',
    '100m',
    '1Gi',
  ],
  ...['NodePort', 'ExternalName', 'Resource', 'NodeAffinity', '[', '(', '.spec', 'x'.repeat(300)],
)
const numbers = fc.constantFrom(0, 1, -1, 3, 80, 65536, 2 ** 31 - 1, -(2 ** 31))
const strays = fc.constantFrom<unknown>(null, [], {}, 'text', 7, 1.5, true, [[]], [null], { a: null }, { '': {} })

/** A value of a field, of its type mostly, to `depth` levels below. */
function anyValue(schema: FieldSchema, depth: number): fc.Arbitrary<unknown> {
  return fc.oneof({ arbitrary: typedValue(schema, depth), weight: 60 }, { arbitrary: strays, weight: 1 })
}

function typedValue(schema: FieldSchema, depth: number): fc.Arbitrary<unknown> {
  if (schema.ref !== undefined) return typeSchema(schema.ref)?.fields ? anyOfType(schema.ref, depth) : texts
  switch (schema.type) {
    case 'integer':
    case 'number':
      return numbers
    case 'boolean':
      return fc.boolean()
    case 'array':
      return depth <= 0 || !schema.items ? fc.constant([]) : fc.array(anyValue(schema.items, depth - 1), { maxLength: 3 })
    case 'map':
      return fc.dictionary(texts, schema.values ? anyValue(schema.values, depth - 1) : texts, { maxKeys: 3 })
    case 'object':
      return fc.constant({})
    default:
      return texts
  }
}

function anyOfType(typePath: string, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.entries(typeSchema(typePath)?.fields ?? {}).filter(([name]) => !['kind', 'apiVersion', 'metadata'].includes(name))
  if (depth <= 0 || fields.length === 0) return fc.constant({})
  const names = fc.subarray(
    fields.map(([name]) => name),
    { maxLength: Math.min(6, fields.length) },
  )
  return names.chain(chosen =>
    fc.record(Object.fromEntries(chosen.map(name => [name, anyValue(typeSchema(typePath)!.fields![name]!, depth - 1)]))),
  )
}

/** An object of a resource whose fields have their types, mostly, and any values. */
export const anyObject = (resource: ApiResource): fc.Arbitrary<JsonObject> =>
  anyOfType(resource.typePath, 7).map(rest => ({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...rest }) as JsonObject)

/** A valid object with some of its fields, at any depth, replaced by others of their type. */
export const anyVariant = (resource: ApiResource, valid: JsonObject): fc.Arbitrary<JsonObject> =>
  fc.integer({ min: 1, max: 3 }).chain(count => repeated(fc.constant(valid), count, object => variant({ ref: resource.typePath }, object)))

const repeated = (start: fc.Arbitrary<JsonObject>, count: number, change: (object: JsonObject) => fc.Arbitrary<JsonValue>) =>
  Array.from({ length: count }).reduce<fc.Arbitrary<JsonObject>>(
    object => object.chain(found => change(found).map(changed => (isJsonObject(changed) ? changed : found))),
    start,
  )

function variant(schema: FieldSchema, value: JsonValue): fc.Arbitrary<JsonValue> {
  if (Array.isArray(value) && schema.items && value.length > 0) {
    const { items } = schema
    return fc
      .nat(value.length - 1)
      .chain(at => variant(items, value[at]!).map(changed => value.map((item, i) => (i === at ? changed : item))))
  }
  const fields = schema.ref === undefined ? undefined : typeSchema(schema.ref)?.fields
  if (!fields || !isJsonObject(value)) return anyValue(schema, 4) as fc.Arbitrary<JsonValue>
  const names = Object.keys(fields).filter(name => !['kind', 'apiVersion', 'metadata'].includes(name))
  if (names.length === 0) return fc.constant({})
  // What is there leads deeper, to what is looked at most.
  const present = names.filter(name => name in value)
  const chosen = present.length > 0 ? fc.oneof(fc.constantFrom(...names), fc.constantFrom(...present)) : fc.constantFrom(...names)
  return chosen.chain(name => {
    const deeper = name in value ? fc.oneof(variant(fields[name]!, value[name]!), anyValue(fields[name]!, 4)) : anyValue(fields[name]!, 4)
    return deeper.map(changed => ({ ...value, [name]: changed }) as JsonObject)
  })
}
