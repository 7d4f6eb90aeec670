import { decodeObject } from '../decode-object.js'
import { isJsonObject, type JsonObject, type JsonValue } from '../json.js'
import { keepsUnknown, type StructuralSchema, schemaOfKey } from './structural-schema.js'

const metaType = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const typeMeta = new Set(['apiVersion', 'kind'])

interface Pruned {
  readonly value: JsonObject
  readonly unknownFields: readonly string[]
  readonly problem: string | undefined
}

/** An object of a custom resource with what its schema knows; unknown fields are named in the order met. */
export function pruneObject(object: JsonObject, schema: StructuralSchema): Pruned {
  const unknownFields: string[] = []
  let problem: string | undefined

  function readMeta(meta: JsonValue, path: string): JsonValue {
    if (!isJsonObject(meta)) {
      if (meta !== null) problem ??= `json: cannot unmarshal into Go struct field .${path} of type v1.ObjectMeta`
      return {}
    }
    const decoded = decodeObject(meta, metaType)
    unknownFields.push(...decoded.unknownFields.map(field => `${path}.${field}`))
    problem ??= decoded.problem
    return decoded.object
  }

  function prune(value: JsonValue, schema: StructuralSchema | undefined, path: string, isResource: boolean): JsonValue {
    if (Array.isArray(value)) return value.map((item, i) => (schema ? prune(item, schema.items, `${path}[${i}]`, false) : item))
    if (!isJsonObject(value) || !schema) return value
    const hasMeta = isResource || schema['x-kubernetes-embedded-resource'] === true
    const kept: [string, JsonValue][] = []
    for (const [key, item] of Object.entries(value)) {
      const at = path === '' ? key : `${path}.${key}`
      const below = schemaOfKey(schema, key)
      if (hasMeta && typeMeta.has(key)) kept.push([key, item])
      else if (hasMeta && key === 'metadata') kept.push([key, readMeta(item, at)])
      else if (below) kept.push([key, prune(item, below, at, false)])
      else if (keepsUnknown(schema)) kept.push([key, item])
      else unknownFields.push(at)
    }
    return Object.fromEntries(kept)
  }

  const value = prune(object, schema, '', true) as JsonObject
  return { value, unknownFields, problem }
}
