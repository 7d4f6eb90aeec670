import { type FieldSet, isEmptySet, noFields } from './field-set.js'
import { keyElement, partsOf, shapeOf, valueElement } from './field-shape.js'
import { isJsonObject, type JsonObject, type JsonValue } from './json.js'
import type { FieldSchema } from './schema.js'

/**
 * The live value with what an applied configuration says put over it: structs and maps field by field, lists with keys item by item,
 * sets united, everything else replaced. Items keep the order of the configuration; those it does not name stay before their successors.
 *
 * Behaviour as structured-merge-diff's Merge.
 */
export function mergeApplied(live: JsonValue | undefined, config: JsonValue, schema: FieldSchema | undefined): JsonValue {
  if (live === undefined) return structuredClone(config)
  const shape = shapeOf(schema)
  switch (shape.kind) {
    case 'fields': {
      if (!isJsonObject(live) || !isJsonObject(config)) return structuredClone(config)
      const merged = new Map(Object.entries(live))
      for (const [name, value] of Object.entries(config)) merged.set(name, mergeApplied(merged.get(name), value, shape.schemaOf(name)))
      return Object.fromEntries(merged)
    }
    case 'keyed list':
      if (!Array.isArray(live) || !Array.isArray(config)) return structuredClone(config)
      return mergeItems(
        live,
        config,
        item => keyElement(item, shape.keys),
        (old, item) => mergeApplied(old, item, shape.items),
      )
    case 'set':
      if (!Array.isArray(live) || !Array.isArray(config)) return structuredClone(config)
      return mergeItems(live, config, valueElement, (_, item) => item)
    case 'atomic':
      return structuredClone(config)
  }
}

function mergeItems(
  live: readonly JsonValue[],
  config: readonly JsonValue[],
  elementOf: (item: JsonValue) => string | undefined,
  merge: (old: JsonValue | undefined, item: JsonValue) => JsonValue,
): JsonValue[] {
  const named = new Set(config.map(elementOf))
  const old = live.map(item => ({ element: elementOf(item), item }))
  const merged: JsonValue[] = []
  let next = 0
  for (const item of config) {
    const element = elementOf(item)
    const at = old.findIndex(other => other.element === element)
    for (; at < 0 && next < old.length && !named.has(old[next]!.element); next++) merged.push(old[next]!.item)
    for (; next <= at; next++) if (!named.has(old[next]!.element)) merged.push(old[next]!.item)
    merged.push(merge(old[at]?.item, item))
  }
  for (; next < old.length; next++) if (!named.has(old[next]!.element)) merged.push(old[next]!.item)
  return merged
}

/** The value without the fields of `last` that nobody owns any more, and without the structs and lists that are empty then. */
export function withoutAbandoned(value: JsonObject, { last, owned }: { last: FieldSet; owned: FieldSet }, schema: FieldSchema): JsonObject {
  return remaining(value, { last, owned }, schema) as JsonObject
}

function remaining(value: JsonValue, { last, owned }: { last: FieldSet; owned: FieldSet }, schema: FieldSchema | undefined): JsonValue {
  const shape = shapeOf(schema)
  const parts = last.children.size === 0 ? undefined : partsOf(value, shape)
  if (!parts) return value
  const kept = [...parts].flatMap(([element, part]) => {
    const had = last.children.get(element)
    if (!had) return [[element, part.value] as const]
    const has = owned.children.get(element) ?? noFields
    if (!isEmptySet(has)) return [[element, remaining(part.value, { last: had, owned: has }, part.schema)] as const]
    if (had.isMember) return []
    const rest = remaining(part.value, { last: had, owned: has }, part.schema)
    return typeof rest === 'object' && rest !== null && Object.keys(rest).length === 0 ? [] : [[element, rest] as const]
  })
  if (shape.kind !== 'fields') return kept.map(([, part]) => part)
  return Object.fromEntries(kept.map(([element, part]) => [element.slice(2), part]))
}
