import { type FieldSet, fieldSet, noFields, oneField } from './field-set.js'
import { partsOf, shapeOf } from './field-shape.js'
import { isJsonObject, type JsonValue, jsonEqual } from './json.js'
import type { FieldSchema } from './schema.js'

/** Every field that `value` sets: what an applied configuration owns. */
export function fieldsSetBy(value: JsonValue, schema: FieldSchema | undefined): FieldSet {
  const shape = shapeOf(schema)
  const parts = partsOf(value, shape)
  if (!parts) return oneField
  const ownsParts = shape.kind !== 'fields' || shape.isMap
  return fieldSet(
    false,
    [...parts].map(([element, part]) => {
      const below = fieldsSetBy(part.value, part.schema)
      return [element, ownsParts || isNothing(part.value) ? { ...below, isMember: true } : below]
    }),
  )
}

const isNothing = (value: JsonValue): boolean => value === null || (isJsonObject(value) && Object.keys(value).length === 0)

/** The fields that differ between two states. */
export interface FieldChanges {
  /** Set in the second state, or of another value there. */
  readonly written: FieldSet
  readonly removed: FieldSet
}

const unchanged: FieldChanges = { written: noFields, removed: noFields }

export function fieldChanges(before: JsonValue | undefined, after: JsonValue | undefined, schema: FieldSchema | undefined): FieldChanges {
  if (before === undefined && after === undefined) return unchanged
  const shape = shapeOf(schema)
  const old = before === undefined ? undefined : partsOf(before, shape)
  const now = after === undefined ? undefined : partsOf(after, shape)
  const isWhole = (before !== undefined && !old) || (after !== undefined && !now)
  if (isWhole) {
    if (after === undefined) return { written: noFields, removed: oneField }
    return jsonEqual(before, after) ? unchanged : { written: oneField, removed: noFields }
  }
  const changes = [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])].map(element => {
    const from = old?.get(element)
    const to = now?.get(element)
    const below = fieldChanges(from?.value, to?.value, (to ?? from)?.schema)
    const isNewItem = from === undefined && (shape.kind !== 'fields' || shape.isMap)
    return [element, isNewItem ? { ...below, written: { ...below.written, isMember: true } } : below] as const
  })
  // A struct that comes with content is only a way to its fields.
  const isOwned = before === undefined && (shape.kind !== 'fields' || shape.isMap || isNothing(after!))
  return {
    written: fieldSet(
      isOwned,
      changes.map(([element, { written }]) => [element, written]),
    ),
    removed: fieldSet(
      after === undefined,
      changes.map(([element, { removed }]) => [element, removed]),
    ),
  }
}
