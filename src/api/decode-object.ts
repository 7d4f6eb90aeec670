import { isJsonObject, type JsonObject, type JsonValue } from './json.js'
import { canonicalQuantity } from './quantity.js'
import { type FieldSchema, typeSchema } from './schema.js'

/** What came of reading an object as a type. */
export interface Decoded {
  /** Only what the type knows; nulls are left out, as a typed reader would. */
  readonly object: JsonObject
  /** Paths of fields the type does not know, in the order met. */
  readonly unknownFields: readonly string[]
  /** The first value of a wrong type, in the words of Go's decoder. */
  readonly problem: string | undefined
}

/** JSON nested deeper is refused: nothing real needs it. */
export const deepestJson = 200

const int32 = { min: -(2 ** 31), max: 2 ** 31 - 1 }
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
/** Reads `value` as the type `typePath`. Never throws; a `problem` means the object must be refused. */
export function decodeObject(value: JsonObject, typePath: string): Decoded {
  const unknownFields: string[] = []
  let problem: string | undefined

  const wrong = (found: JsonValue, where: Place, wanted: string): undefined => {
    problem ??= `json: cannot unmarshal ${kindOf(found)} into Go struct field ${where.owner}.${where.path} of type ${wanted}`
    return undefined
  }

  function readType(found: JsonValue, path: string, where: Place): JsonValue | undefined {
    const type = typeSchema(path)
    if (path.endsWith('.IntOrString')) {
      return typeof found === 'string' || Number.isInteger(found) ? found : wrong(found, where, 'intstr.IntOrString')
    }
    if (path.endsWith('.Quantity')) return readQuantity(found, where)
    if (type?.format === 'date-time') return readTime(found, where)
    if (type?.type === 'string') return typeof found === 'string' ? found : wrong(found, where, 'string')
    if (!type?.fields) return found
    if (!isJsonObject(found)) return wrong(found, where, goType(path))
    return readFields(found, path, where)
  }

  function readFields(found: JsonObject, path: string, { path: prefix, depth }: Place): JsonObject {
    const { fields = {} } = typeSchema(path) ?? {}
    const owner = path.slice(path.lastIndexOf('.') + 1)
    const result: JsonObject = {}
    for (const [key, item] of Object.entries(found)) {
      const at = prefix === '' ? key : `${prefix}.${key}`
      const field = Object.hasOwn(fields, key) ? fields[key] : undefined
      if (!field) {
        unknownFields.push(at)
        continue
      }
      if (item === null) continue
      const read = readField(item, field, { owner, path: at, depth: depth + 1 })
      if (read !== undefined) result[key] = read
    }
    return result
  }

  function readField(found: JsonValue, field: FieldSchema, where: Place): JsonValue | undefined {
    if (where.depth > deepestJson) return wrong(found, where, `JSON of at most ${deepestJson} levels`)
    if (field.ref !== undefined) return readType(found, field.ref, where)
    switch (field.type) {
      case 'array':
        if (!Array.isArray(found)) return wrong(found, where, '[]')
        return found.map((item, i) => {
          const at = { ...where, path: `${where.path}[${i}]`, depth: where.depth + 1 }
          return (item === null ? emptyOf(field.items) : readField(item, field.items ?? {}, at)) ?? null
        })
      case 'map':
        return readMap(found, field, where)
      case 'integer':
        if (typeof found !== 'number') return wrong(found, where, field.format ?? 'int64')
        if (!Number.isInteger(found) || (field.format === 'int32' && (found < int32.min || found > int32.max))) {
          problem ??= `json: cannot unmarshal number ${found} into Go struct field ${where.owner}.${where.path} of type ${field.format ?? 'int64'}`
          return undefined
        }
        return found
      case 'number':
        return typeof found === 'number' ? found : wrong(found, where, 'float64')
      case 'boolean':
        return typeof found === 'boolean' ? found : wrong(found, where, 'bool')
      case 'string':
        if (field.format === 'int-or-string')
          return typeof found === 'string' || typeof found === 'number' ? found : wrong(found, where, 'string')
        if (typeof found !== 'string') return wrong(found, where, field.format === 'byte' ? '[]uint8' : 'string')
        if (field.format === 'byte' && !base64.test(found)) problem ??= `illegal base64 data in ${where.path}`
        return found
      default:
        return found
    }
  }

  function readMap(found: JsonValue, field: FieldSchema, where: Place): JsonValue | undefined {
    if (!isJsonObject(found)) return wrong(found, where, `map[string]${field.values?.type ?? ''}`)
    const result: JsonObject = {}
    for (const [key, item] of Object.entries(found)) {
      const at = { ...where, path: `${where.path}.${key}`, depth: where.depth + 1 }
      const read = item === null ? emptyOf(field.values) : readField(item, field.values ?? {}, at)
      // A key named __proto__ must become a key, not the prototype.
      if (read !== undefined) Object.defineProperty(result, key, { value: read, enumerable: true, writable: true, configurable: true })
    }
    return result
  }

  function readQuantity(found: JsonValue, where: Place): JsonValue | undefined {
    if (typeof found !== 'string' && typeof found !== 'number') return wrong(found, where, 'resource.Quantity')
    try {
      return canonicalQuantity(found)
    } catch {
      problem ??= "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
      return undefined
    }
  }

  function readTime(found: JsonValue, where: Place): JsonValue | undefined {
    if (typeof found !== 'string') return wrong(found, where, 'v1.Time')
    if (rfc3339.test(found) && !Number.isNaN(Date.parse(found))) return found
    problem ??= `parsing time ${JSON.stringify(found)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(found)} as "2006"`
    return undefined
  }

  const object = readFields(value, typePath, { owner: '', path: '', depth: 0 })
  return { object, unknownFields, problem }
}

interface Place {
  readonly owner: string
  readonly path: string
  readonly depth: number
}

/** A null inside a list or map stands for the zero value. */
function emptyOf(field: FieldSchema | undefined): JsonValue | undefined {
  if (field?.type === 'string') return ''
  if (field?.type === 'integer' || field?.type === 'number') return 0
  if (field?.type === 'boolean') return false
  return field?.ref !== undefined && typeSchema(field.ref)?.fields ? {} : undefined
}

const kindOf = (value: JsonValue): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value

/** `v1.PodSpec` of `io.k8s.api.core.v1.PodSpec`. */
const goType = (path: string): string => path.split('.').slice(-2).join('.')
