import { isJsonObject, type JsonObject, type JsonValue } from './json.js'
import { type FieldSchema, typeSchema } from './schema.js'

/** How a value is divided into fields that may have different owners; an `atomic` value is not. */
export type FieldShape =
  | { readonly kind: 'atomic' }
  /** A type with fields of its own, or a map whose keys are fields. */
  | { readonly kind: 'fields'; readonly isMap: boolean; schemaOf(name: string): FieldSchema | undefined }
  | { readonly kind: 'keyed list'; readonly keys: readonly string[]; readonly items: FieldSchema | undefined }
  | { readonly kind: 'set' }

const atomic: FieldShape = { kind: 'atomic' }

/** The shape that the facts' listType, listMapKeys and mapType give; lists are atomic when they say nothing. */
export function shapeOf(schema: FieldSchema | undefined): FieldShape {
  if (!schema || schema.mapType === 'atomic') return atomic
  if (schema.ref !== undefined) {
    const type = typeSchema(schema.ref)
    const { fields } = type ?? {}
    if (!fields || type?.mapType === 'atomic') return atomic
    return { kind: 'fields', isMap: false, schemaOf: name => (Object.hasOwn(fields, name) ? fields[name] : undefined) }
  }
  const { fields } = schema
  if (fields) return { kind: 'fields', isMap: false, schemaOf: name => (Object.hasOwn(fields, name) ? fields[name] : schema.values) }
  if (schema.type === 'map') return { kind: 'fields', isMap: true, schemaOf: () => schema.values }
  if (schema.type !== 'array') return atomic
  if (schema.listType === 'map') return { kind: 'keyed list', keys: [...(schema.listMapKeys ?? [])].sort(), items: schema.items }
  return schema.listType === 'set' ? { kind: 'set' } : atomic
}

/** Keys that an item may leave out (core/v1 types.go: `+default="TCP"`, and `+default=""` of LocalObjectReference). */
const keyDefaults: JsonObject = { protocol: 'TCP', name: '' }

/** The path element of an item of a keyed list; undefined when it lacks a key. */
export function keyElement(item: JsonValue, keys: readonly string[]): string | undefined {
  if (!isJsonObject(item)) return undefined
  const key = keys.map(name => [name, item[name] ?? keyDefaults[name]] as const)
  return key.some(([, value]) => value === undefined) ? undefined : `k:${JSON.stringify(Object.fromEntries(key))}`
}

export const fieldElement = (name: string): string => `f:${name}`
export const valueElement = (value: JsonValue): string => `v:${JSON.stringify(value)}`

/** A value as its parts by path element; undefined when it is one whole. */
export function partsOf(
  value: JsonValue,
  shape: FieldShape,
): Map<string, { value: JsonValue; schema: FieldSchema | undefined }> | undefined {
  switch (shape.kind) {
    case 'fields':
      if (!isJsonObject(value)) return undefined
      return new Map(Object.entries(value).map(([name, part]) => [fieldElement(name), { value: part, schema: shape.schemaOf(name) }]))
    case 'keyed list': {
      if (!Array.isArray(value)) return undefined
      const parts = value.map(item => [keyElement(item, shape.keys), { value: item, schema: shape.items }] as const)
      const known = new Map(parts.flatMap(([element, part]) => (element === undefined ? [] : [[element, part] as const])))
      // Items without their keys, or twice the same, cannot be told apart.
      return known.size === value.length ? known : undefined
    }
    case 'set':
      if (!Array.isArray(value)) return undefined
      return new Map(value.map(item => [valueElement(item), { value: item, schema: undefined }]))
    case 'atomic':
      return undefined
  }
}
