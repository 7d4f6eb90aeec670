import { isJsonObject, type JsonObject, type JsonValue } from '../json.js'
import { type StructuralSchema, schemaOfKey } from './structural-schema.js'

/** Fills, in place, what a schema has defaults for; a null that may not be one counts as missing. */
export function setSchemaDefaults(value: JsonValue, schema: StructuralSchema): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) setSchemaDefaults(item, schema.items)
    return
  }
  if (!isJsonObject(value)) return
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    const isMissing = !Object.hasOwn(value, key) || (value[key] === null && property.nullable !== true)
    if (property.default !== undefined && isMissing) define(value, key, structuredClone(property.default))
  }
  for (const [key, item] of Object.entries(value)) {
    const below = schemaOfKey(schema, key)
    if (!below) continue
    if (item === null && typeof schema.additionalProperties === 'object' && below.default !== undefined && !below.nullable) {
      define(value, key, structuredClone(below.default))
    }
    const now = value[key]
    if (now !== undefined) setSchemaDefaults(now, below)
  }
}

/** A key named __proto__ must become a key, not the prototype. */
const define = (object: JsonObject, key: string, value: JsonValue): void => {
  Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true })
}
