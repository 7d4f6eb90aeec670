import { isJsonObject, type JsonObject, type JsonValue, jsonEqual } from './json.js'
import { type FieldSchema, typeSchema } from './schema.js'
import { badRequest } from './status.js'

/**
 * Applies a strategic merge patch to a copy of `document`, whose type in the API facts is `typePath`.
 *
 * The facts' `patchStrategy` and `patchMergeKey` say how each list merges; the directives `$patch`, `$retainKeys`,
 * `$setElementOrder/FIELD` and `$deleteFromPrimitiveList/FIELD` are obeyed and never stored. Errors: 400 for a malformed directive.
 *
 * Specified by the community's "strategic-merge-patch.md"; behaviour as apimachinery/pkg/util/strategicpatch.
 */
export function applyStrategicMergePatch(document: JsonObject, patch: JsonObject, typePath: string): JsonObject {
  return mergeObject(document, patch, { ref: typePath })
}

const deletePrefix = '$deleteFromPrimitiveList/'
const orderPrefix = '$setElementOrder/'

function mergeObject(original: JsonObject, patch: JsonObject, schema: FieldSchema | undefined): JsonObject {
  switch (patch.$patch) {
    case undefined:
    case 'merge':
      break
    case 'replace':
      return withoutDirectives(patch, schema)
    case 'delete':
      return {}
    default:
      throw badRequest(`unknown $patch directive ${JSON.stringify(patch.$patch)}: use replace, delete or merge`)
  }
  const merged = new Map(Object.entries(structuredClone(original)))

  if (patch.$retainKeys !== undefined) {
    const retained = new Set(listOf(patch.$retainKeys, '$retainKeys'))
    const stray = Object.keys(patch).find(key => !key.startsWith('$') && patch[key] !== null && !retained.has(key))
    if (stray !== undefined) throw badRequest(`$retainKeys must name every field of the patch; it lacks ${stray}`)
    for (const key of [...merged.keys()]) if (!retained.has(key)) merged.delete(key)
  }

  for (const [directive, value] of Object.entries(patch)) {
    if (!directive.startsWith(deletePrefix)) continue
    const field = directive.slice(deletePrefix.length)
    const unwanted = listOf(value, directive)
    const current = merged.get(field)
    if (Array.isArray(current)) {
      merged.set(
        field,
        current.filter(item => !unwanted.some(other => jsonEqual(item, other))),
      )
    }
  }

  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue
    if (value === null) merged.delete(key)
    else merged.set(key, mergeField(merged.get(key), value, fieldSchema(schema, key)))
  }

  for (const [directive, value] of Object.entries(patch)) {
    if (!directive.startsWith(orderPrefix)) continue
    const field = directive.slice(orderPrefix.length)
    const current = merged.get(field)
    if (!Array.isArray(current)) continue
    const live = original[field]
    const mergeKey = fieldSchema(schema, field)?.patchMergeKey
    merged.set(field, inOrder({ items: current, order: listOf(value, directive), live: Array.isArray(live) ? live : [], mergeKey }))
  }
  return Object.fromEntries(merged)
}

function mergeField(current: JsonValue | undefined, patch: JsonValue, schema: FieldSchema | undefined): JsonValue {
  if (isJsonObject(patch)) {
    const replaces = schema?.patchStrategy === 'replace'
    return mergeObject(isJsonObject(current) && !replaces ? current : {}, patch, schema)
  }
  if (!Array.isArray(patch)) return patch
  const merges = schema?.patchStrategy?.split(',').includes('merge') ?? false
  if (!merges) return patch.map(item => stripped(item, schema?.items))
  const list = Array.isArray(current) ? current : []
  return schema?.patchMergeKey === undefined ? mergeSet(list, patch) : mergeList(list, patch, schema, schema.patchMergeKey)
}

/** Adds the values that are not there yet. */
function mergeSet(current: readonly JsonValue[], patch: readonly JsonValue[]): JsonValue[] {
  const merged = [...current]
  for (const value of patch) if (!merged.some(other => jsonEqual(other, value))) merged.push(value)
  return merged
}

/** Merges objects that have the same `mergeKey`; objects with another one are added at the end. */
function mergeList(current: readonly JsonValue[], patch: readonly JsonValue[], schema: FieldSchema, mergeKey: string): JsonValue[] {
  const items = patch.map(item => {
    if (!isJsonObject(item)) throw badRequest(`a list merged by ${mergeKey} holds objects only`)
    return item
  })
  if (items.some(({ $patch }) => $patch === 'replace')) {
    return items.filter(({ $patch }) => $patch === undefined).map(item => withoutDirectives(item, schema.items))
  }

  let merged = [...current]
  for (const item of items) {
    const key = item[mergeKey]
    if (key === undefined) throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`)
    const isSame = (other: JsonValue) => isJsonObject(other) && jsonEqual(other[mergeKey], key)
    if (item.$patch === 'delete') {
      merged = merged.filter(other => !isSame(other))
      continue
    }
    const at = merged.findIndex(isSame)
    const known = merged[at]
    if (isJsonObject(known)) merged[at] = mergeObject(known, item, schema.items)
    else merged.push(mergeObject({}, item, schema.items))
  }
  return merged
}

interface Ordering {
  readonly items: readonly JsonValue[]
  readonly order: readonly JsonValue[]
  readonly live: readonly JsonValue[]
  readonly mergeKey: string | undefined
}

/**
 * Sorts `items` as `order` says. Items that only the server has keep their order among themselves, and each stands before the first
 * ordered item that followed it in the live list.
 */
function inOrder({ items, order, live, mergeKey }: Ordering): JsonValue[] {
  const keyOf = (item: JsonValue): JsonValue | undefined => (mergeKey !== undefined && isJsonObject(item) ? item[mergeKey] : item)
  const indexIn = (list: readonly JsonValue[], item: JsonValue) => list.findIndex(other => jsonEqual(keyOf(other), keyOf(item)))

  const ordered = items.filter(item => indexIn(order, item) >= 0).sort((a, b) => indexIn(order, a) - indexIn(order, b))
  const serverOnly = items.filter(item => indexIn(order, item) < 0)
  const result: JsonValue[] = []
  let next = 0
  for (const item of serverOnly) {
    const place = indexIn(live, item)
    while (next < ordered.length && indexIn(live, ordered[next]!) <= place) result.push(ordered[next++]!)
    result.push(item)
  }
  return [...result, ...ordered.slice(next)]
}

/** What a patch leaves where there was nothing: its values without directives and nulls. */
const withoutDirectives = (patch: JsonObject, schema: FieldSchema | undefined): JsonObject => {
  const { $patch: _, ...rest } = patch
  return mergeObject({}, rest, schema)
}

const stripped = (item: JsonValue, schema: FieldSchema | undefined): JsonValue =>
  isJsonObject(item) ? withoutDirectives(item, schema) : item

function fieldSchema(schema: FieldSchema | undefined, field: string): FieldSchema | undefined {
  if (schema?.ref !== undefined) return typeSchema(schema.ref)?.fields?.[field]
  return schema?.type === 'map' ? schema.values : undefined
}

function listOf(value: JsonValue, directive: string): readonly JsonValue[] {
  if (!Array.isArray(value)) throw badRequest(`${directive} must be a list`)
  return value
}
