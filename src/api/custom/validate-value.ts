import { duplicate, type FieldProblem, forbidden, invalid, notSupported, required } from '../field-problem.js'
import { isJsonObject, type JsonObject, type JsonValue, jsonEqual } from '../json.js'
import { goPattern } from './go-pattern.js'
import { type StructuralSchema, schemaOfKey, typesOf } from './structural-schema.js'
import { fitsFormat, hasFormat } from './value-format.js'

/** What is wrong with `value` by `schema`, in upstream's words (go-openapi/validate through apiextensions, pkg/apiserver/validation). */
export function validateValue(value: JsonValue, schema: StructuralSchema, path = ''): FieldProblem[] {
  if (value === null && schema.nullable) return []
  const types = typesOf(schema)
  if (types.length > 0 && !types.some(type => isOfType(value, type))) {
    const found = typeOf(value)
    const text = `${inBody(path)} must be of type ${types.join(',')}: ${JSON.stringify(found)}`
    return [{ reason: 'FieldValueTypeInvalid', field: fieldOf(path), message: `Invalid value: ${JSON.stringify(found)}: ${text}` }]
  }
  return [
    ...scalarProblems(value, schema, path),
    ...listProblems(value, schema, path),
    ...objectProblems(value, schema, path),
    ...junctorProblems(value, schema, path),
  ]
}

export const at = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`)
/** A key of a map, which may hold dots. */
export const atKey = (path: string, key: string): string => (/^[\w-]+$/.test(key) ? at(path, key) : `${path}[${key}]`)
const inBody = (path: string): string => (path === '' ? '""' : `${path} in body`)
const fieldOf = (path: string): string => (path === '' ? '<nil>' : path)

function isOfType(value: JsonValue, type: string): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value)
    case 'number':
      return typeof value === 'number'
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isJsonObject(value)
    default:
      return typeof value === type
  }
}

const typeOf = (value: JsonValue): string => {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

function scalarProblems(value: JsonValue, schema: StructuralSchema, path: string): FieldProblem[] {
  const problems: FieldProblem[] = []
  const wrong = (says: string) => problems.push(invalid(fieldOf(path), value, `${inBody(path)} ${says}`))
  if (schema.enum && !schema.enum.some(one => jsonEqual(one, value))) {
    problems.push(
      notSupported(
        fieldOf(path),
        value,
        schema.enum.map(one => (typeof one === 'string' ? one : JSON.stringify(one))),
      ),
    )
  }
  if (typeof value === 'string') {
    const { length } = [...value]
    if (schema.maxLength !== undefined && length > schema.maxLength) {
      problems.push({
        reason: 'FieldValueTooLong',
        field: fieldOf(path),
        message: `Too long: may not be more than ${schema.maxLength} bytes`,
      })
    }
    if (schema.minLength !== undefined && length < schema.minLength) wrong(`should be at least ${schema.minLength} chars long`)
    if (schema.pattern !== undefined && goPattern(schema.pattern)?.test(value) === false) wrong(`should match '${schema.pattern}'`)
    if (schema.format !== undefined && !hasFormat(value, schema.format)) {
      wrong(`must be of type ${schema.format}: ${JSON.stringify(value)}`)
    }
  }
  if (typeof value === 'number') {
    const { minimum, maximum, multipleOf, format } = schema
    if (minimum !== undefined && (schema.exclusiveMinimum ? value <= minimum : value < minimum)) {
      wrong(`should be greater than ${schema.exclusiveMinimum ? '' : 'or equal to '}${minimum}`)
    }
    if (maximum !== undefined && (schema.exclusiveMaximum ? value >= maximum : value > maximum)) {
      wrong(`should be less than ${schema.exclusiveMaximum ? '' : 'or equal to '}${maximum}`)
    }
    if (multipleOf && !Number.isInteger(value / multipleOf)) wrong(`should be a multiple of ${multipleOf}`)
    if (format !== undefined && !fitsFormat(value, format)) wrong(`must be of type ${format}: ${JSON.stringify(typeOf(value))}`)
  }
  return problems
}

const tooMany = (path: string, found: number, most: number): FieldProblem => ({
  reason: 'FieldValueTooMany',
  field: fieldOf(path),
  message: `Too many: ${found}: must have at most ${most} items`,
})

function listProblems(value: JsonValue, schema: StructuralSchema, path: string): FieldProblem[] {
  if (!Array.isArray(value)) return []
  const { minItems, maxItems, items } = schema
  const problems: FieldProblem[] = []
  if (minItems !== undefined && value.length < minItems) {
    problems.push(invalid(fieldOf(path), value.length, `${inBody(path)} should have at least ${minItems} items`))
  }
  if (maxItems !== undefined && value.length > maxItems) problems.push(tooMany(path, value.length, maxItems))
  if (items) for (const [i, item] of value.entries()) problems.push(...validateValue(item, items, `${path}[${i}]`))
  return [...problems, ...duplicateProblems(value, schema, path)]
}

/** Items of a set, or the keys of items of a map, may be there once only. */
function duplicateProblems(value: readonly JsonValue[], schema: StructuralSchema, path: string): FieldProblem[] {
  const type = schema['x-kubernetes-list-type']
  if (type !== 'set' && type !== 'map') return []
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const seen = new Set<string>()
  return value.flatMap((item, i) => {
    const entries = keys.flatMap(key => (isJsonObject(item) && item[key] !== undefined ? [[key, item[key]] as const] : []))
    const key = type === 'set' ? item : Object.fromEntries(entries)
    const text = JSON.stringify(key)
    if (seen.has(text)) return [duplicate(`${path}[${i}]`, key)]
    seen.add(text)
    return []
  })
}

function objectProblems(value: JsonValue, schema: StructuralSchema, path: string): FieldProblem[] {
  if (!isJsonObject(value)) return []
  const { required: needed = [], minProperties, maxProperties } = schema
  const count = Object.keys(value).length
  const problems: FieldProblem[] = needed.flatMap(key => (Object.hasOwn(value, key) ? [] : [required(at(path, key))]))
  if (minProperties !== undefined && count < minProperties) {
    problems.push(invalid(fieldOf(path), count, `${inBody(path)} should have at least ${minProperties} properties`))
  }
  if (maxProperties !== undefined && count > maxProperties) problems.push(tooMany(path, count, maxProperties))
  for (const [key, item] of Object.entries(value)) {
    const below = schemaOfKey(schema, key)
    const isNamed = Object.hasOwn(schema.properties ?? {}, key)
    if (below) problems.push(...validateValue(item, below, isNamed ? at(path, key) : atKey(path, key)))
    else if (schema.additionalProperties === false)
      problems.push(forbidden(at(path, key), `${inBody(path)}.${key} is a forbidden property`))
  }
  if (schema['x-kubernetes-embedded-resource']) problems.push(...embeddedProblems(value, path))
  return problems
}

function embeddedProblems({ apiVersion, kind, metadata }: JsonObject, path: string): FieldProblem[] {
  const problems: FieldProblem[] = []
  if (typeof apiVersion !== 'string' || apiVersion === '') problems.push(required(at(path, 'apiVersion'), 'must not be empty'))
  if (typeof kind !== 'string' || kind === '') problems.push(required(at(path, 'kind'), 'must not be empty'))
  if (metadata !== undefined && !isJsonObject(metadata)) {
    problems.push(invalid(at(path, 'metadata'), metadata, 'must be an object'))
  }
  return problems
}

function junctorProblems(value: JsonValue, schema: StructuralSchema, path: string): FieldProblem[] {
  const fails = (one: StructuralSchema): boolean => validateValue(value, one, path).length > 0
  const problems: FieldProblem[] = []
  const wrong = (says: string) => problems.push(invalid(fieldOf(path), shown(value), `${inBody(path)} ${says}`))
  if (schema.anyOf?.every(fails)) wrong('must validate at least one schema (anyOf)')
  if (schema.oneOf) {
    const valid = schema.oneOf.filter(one => !fails(one)).length
    const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`
    if (valid !== 1) wrong(`must validate one and only one schema (oneOf). ${found}`)
  }
  const broken = (schema.allOf ?? []).flatMap(one => validateValue(value, one, path))
  if (broken.length > 0) {
    problems.push(...broken)
    wrong('must validate all the schemas (allOf)')
  }
  if (schema.not && !fails(schema.not)) wrong('must not validate the schema (not)')
  return problems
}

/** Upstream gives no value where it is no scalar. */
const shown = (value: JsonValue): JsonValue => (typeof value === 'object' ? '' : value)
