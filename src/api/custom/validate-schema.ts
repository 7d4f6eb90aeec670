import { type FieldProblem, forbidden, invalid, notSupported, required } from '../field-problem.js'
import { isJsonObject, type JsonObject, jsonEqual } from '../json.js'
import { setSchemaDefaults } from './default-values.js'
import { goPattern } from './go-pattern.js'
import { pruneObject } from './prune-value.js'
import type { StructuralSchema } from './structural-schema.js'
import { validateValue } from './validate-value.js'

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const unsupported = ['$ref', 'definitions', 'dependencies', 'patternProperties', 'additionalItems', 'id', '$schema']
const structureOnly = [
  'type',
  'title',
  'description',
  'default',
  'nullable',
  'additionalProperties',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
]

/** What makes a schema not structural, or not one (apiextensions, pkg/apiserver/schema and pkg/apis/apiextensions/validation). */
export function schemaProblems(schema: StructuralSchema, path: string): FieldProblem[] {
  if (schema.type === undefined || schema.type === '') return [required(`${path}.type`, 'must not be empty at the root')]
  if (schema.type !== 'object') return [invalid(`${path}.type`, schema.type, 'must be object at the root')]
  return [...levelProblems(schema, path), ...metadataProblems(schema, path)]
}

/** The server describes metadata itself; a schema may only narrow the name. */
function metadataProblems({ properties = {} }: StructuralSchema, path: string): FieldProblem[] {
  const { metadata } = properties
  if (!metadata) return []
  const at = `${path}.properties[metadata]`
  const { type, properties: below = {}, description: _, ...rest } = metadata
  if (type !== undefined && type !== 'object') return [invalid(`${at}.type`, type, 'must be object')]
  const isNarrow = Object.keys(below).every(key => key === 'name' || key === 'generateName') && Object.keys(rest).length === 0
  return isNarrow ? [] : [forbidden(at, 'must not specify anything other than name and generateName, but metadata is implicitly specified')]
}

function levelProblems(schema: StructuralSchema, path: string): FieldProblem[] {
  const { properties, additionalProperties, items, type } = schema
  const problems = [...valueProblems(schema, path), ...extensionProblems(schema, path), ...defaultProblems(schema, path)]
  if (type === undefined || type === '') {
    if (!schema['x-kubernetes-int-or-string'] && !schema['x-kubernetes-preserve-unknown-fields']) {
      problems.push(
        required(`${path}.type`, `must not be empty for ${path.endsWith('.items') ? 'specified array items' : 'specified object fields'}`),
      )
    }
  } else if (!types.includes(type)) problems.push(notSupported(`${path}.type`, type, types))
  if (properties && additionalProperties !== undefined) {
    problems.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'))
  }
  if (additionalProperties === false)
    problems.push(forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be set to false'))
  for (const [name, property] of Object.entries(properties ?? {})) {
    problems.push(...levelProblems(property, `${path}.properties[${name}]`))
  }
  if (typeof additionalProperties === 'object') problems.push(...levelProblems(additionalProperties, `${path}.additionalProperties`))
  if (Array.isArray(items)) problems.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'))
  else if (items) problems.push(...levelProblems(items, `${path}.items`))
  else if (type === 'array') problems.push(required(`${path}.items`, 'must be specified'))
  for (const [at, junctor] of junctorsOf(schema, path)) problems.push(...junctorProblems(junctor, schema, at))
  return problems
}

const junctorsOf = ({ allOf = [], anyOf = [], oneOf = [], not }: StructuralSchema, path: string): [string, StructuralSchema][] => [
  ...Object.entries({ allOf, anyOf, oneOf }).flatMap(([name, all]) =>
    all.map((one, i): [string, StructuralSchema] => [`${path}.${name}[${i}]`, one]),
  ),
  ...(not ? [[`${path}.not`, not] as [string, StructuralSchema]] : []),
]

/** Junctors only restrict what the structure outside them says. */
function junctorProblems(schema: StructuralSchema, structure: StructuralSchema, path: string): FieldProblem[] {
  const isIntOrString = structure['x-kubernetes-int-or-string'] === true
  const problems = valueProblems(schema, path)
  for (const name of structureOnly) {
    if (isIntOrString && name === 'type') continue
    if ((schema as JsonObject)[name] !== undefined) problems.push(forbidden(`${path}.${name}`, 'must be empty to be structural'))
  }
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const at = `${path}.properties[${name}]`
    const outside = structure.properties?.[name]
    if (outside) problems.push(...junctorProblems(property, outside, at))
    else
      problems.push(
        required(`${at.slice(0, at.lastIndexOf('.', at.length))}`, `because ${name} is restricted, its structure must be specified`),
      )
  }
  if (schema.items) problems.push(...(structure.items ? junctorProblems(schema.items, structure.items, `${path}.items`) : []))
  for (const [at, junctor] of junctorsOf(schema, path)) problems.push(...junctorProblems(junctor, structure, at))
  return problems
}

/** Keywords that no place may have, and values that are none. */
function valueProblems(schema: StructuralSchema, path: string): FieldProblem[] {
  const problems: FieldProblem[] = []
  for (const name of unsupported) {
    if ((schema as JsonObject)[name] !== undefined) problems.push(forbidden(`${path}.${name}`, `${name} is not supported`))
  }
  if (schema.uniqueItems) {
    problems.push(forbidden(`${path}.uniqueItems`, 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'))
  }
  const { pattern } = schema
  if (pattern !== undefined && !goPattern(pattern)) {
    problems.push(invalid(`${path}.pattern`, pattern, "must be a valid regular expression, but isn't"))
  }
  return problems
}

function extensionProblems(schema: StructuralSchema, path: string): FieldProblem[] {
  const problems: FieldProblem[] = []
  const listType = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys']
  const mapType = schema['x-kubernetes-map-type']
  const { items, type, properties } = schema
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    problems.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'))
  }
  if (schema['x-kubernetes-int-or-string'] && type) {
    problems.push(forbidden(`${path}.type`, 'must be empty if x-kubernetes-int-or-string is true'))
  }
  if (schema['x-kubernetes-embedded-resource']) {
    if (type !== 'object') problems.push(invalid(`${path}.type`, type ?? '', 'must be object if x-kubernetes-embedded-resource is true'))
    if (!properties && !schema['x-kubernetes-preserve-unknown-fields']) {
      problems.push(
        required(
          `${path}.properties`,
          'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
        ),
      )
    }
  }
  if (listType !== undefined) {
    const at = `${path}.x-kubernetes-list-type`
    if (!['atomic', 'set', 'map'].includes(listType)) problems.push(notSupported(at, listType, ['atomic', 'map', 'set']))
    if (type !== 'array') problems.push(invalid(`${path}.type`, type ?? '', 'must be array if x-kubernetes-list-type is specified'))
    if (listType === 'set' && items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic') {
      problems.push(invalid(at, listType, 'items of type object in a set must have x-kubernetes-map-type atomic'))
    }
  }
  if (listType === 'map') {
    const at = `${path}.x-kubernetes-list-map-keys`
    if (!keys?.length) problems.push(required(at, 'must not be empty if x-kubernetes-list-type is map'))
    for (const [i, key] of (keys ?? []).entries()) {
      const property = items?.properties?.[key]
      if (!property) problems.push(invalid(`${at}[${i}]`, key, 'entries must all be names of item properties'))
      else if (property.default === undefined && !items?.required?.includes(key)) {
        const why = `this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`
        problems.push(required(`${path}.items.properties[${key}].default`, why))
      }
    }
  } else if (keys !== undefined)
    problems.push(forbidden(`${path}.x-kubernetes-list-map-keys`, 'must be empty if x-kubernetes-list-type is not map'))
  if (mapType !== undefined) {
    if (!['atomic', 'granular'].includes(mapType))
      problems.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']))
    if (type !== 'object') problems.push(invalid(`${path}.type`, type ?? '', 'must be object if x-kubernetes-map-type is specified'))
  }
  return problems
}

/** A default must be what a writer could have written. */
function defaultProblems(schema: StructuralSchema, path: string): FieldProblem[] {
  if (schema.default === undefined) return []
  const at = `${path}.default`
  const value = structuredClone(schema.default)
  if (isJsonObject(value) && !schema['x-kubernetes-embedded-resource']) {
    const pruned = pruneObject({ wrapped: value }, { properties: { wrapped: schema } }).value.wrapped
    if (!jsonEqual(pruned, value)) return [invalid(at, value, 'must not have unknown fields')]
  }
  setSchemaDefaults(value, schema)
  return validateValue(value, schema, at)
}
