import { mergeApplied, withoutAbandoned } from './apply-merge.js'
import { fieldChanges, fieldsSetBy } from './field-changes.js'
import {
  differenceOf,
  type FieldSet,
  fieldSet,
  formatFieldsV1,
  intersectionOf,
  isEmptySet,
  noFields,
  oneField,
  parseFieldsV1,
  pathsOf,
  sameFields,
  unionOf,
} from './field-set.js'
import type { ManagedFieldsEntry } from './generated/types.js'
import { isJsonObject, type JsonObject } from './json.js'
import type { FieldSchema } from './schema.js'

/** Who writes, as managedFields tell writers apart. */
export interface FieldManager {
  readonly manager: string
  readonly apiVersion: string
  readonly subresource?: string | undefined
  /** RFC 3339. */
  readonly time: string
}

/** A field of an applied configuration that another manager owns with another value. */
export interface ApplyConflict {
  /** As `"kubectl-edit" using apps/v1`. */
  readonly manager: string
  /** As `.spec.replicas`. */
  readonly field: string
}

interface Managed {
  readonly entry: ManagedFieldsEntry
  readonly fields: FieldSet
}

const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
/** The manager that kubectl's client-side apply hands its fields over to. */
const kubectl = 'kubectl'
const beforeFirstApply = 'before-first-apply'
const ancientChanges = 'ancient-changes'
/** Of managers that update, upstream keeps this many apart (fieldmanager, capmanagers.go). */
const mostUpdaters = 10

/** Fields that nobody owns (fieldmanager, stripmeta.go). */
const unowned = fieldSet(false, [
  ['f:apiVersion', oneField],
  ['f:kind', oneField],
  [
    'f:metadata',
    fieldSet(
      true,
      [
        'name',
        'generateName',
        'namespace',
        'creationTimestamp',
        'deletionTimestamp',
        'deletionGracePeriodSeconds',
        'selfLink',
        'uid',
        'generation',
        'managedFields',
        'resourceVersion',
      ].map(name => [`f:${name}`, oneField]),
    ),
  ],
])

/** True for what a client may hand in as managedFields. */
export const isManagedFields = (entries: unknown): entries is readonly ManagedFieldsEntry[] =>
  Array.isArray(entries) && entries.every(entry => isJsonObject(entry) && parsed(entry as ManagedFieldsEntry) !== undefined)

function parsed(entry: ManagedFieldsEntry): Managed | undefined {
  const fields = parseFieldsV1((entry.fieldsV1 ?? {}) as JsonObject)
  const isKnown = (entry.operation === 'Apply' || entry.operation === 'Update') && Boolean(entry.manager ?? '')
  return fields && isKnown ? { entry, fields } : undefined
}

const parsedAll = (entries: readonly ManagedFieldsEntry[]): Managed[] => entries.flatMap(entry => parsed(entry) ?? [])

/** What makes two entries the same manager: an applier stays the same across versions. */
const identity = ({ manager, operation, subresource, apiVersion }: ManagedFieldsEntry): string =>
  JSON.stringify([manager, operation, subresource ?? '', operation === 'Apply' ? '' : apiVersion])

const entryOf = ({ manager, apiVersion, subresource, time }: FieldManager, operation: 'Apply' | 'Update'): ManagedFieldsEntry => ({
  manager,
  operation,
  apiVersion,
  time,
  fieldsType: 'FieldsV1',
  ...(subresource !== undefined && { subresource }),
})

/** Entries in upstream's order: appliers first, then by time. */
function formatted(managed: readonly Managed[]): ManagedFieldsEntry[] {
  const ordered = managed.filter(({ fields }) => !isEmptySet(fields))
  ordered.sort(({ entry: a }, { entry: b }) => {
    if (a.operation !== b.operation) return (a.operation ?? '') < (b.operation ?? '') ? -1 : 1
    if (a.time !== b.time) return (a.time ?? '') < (b.time ?? '') ? -1 : 1
    return (a.manager ?? '') < (b.manager ?? '') ? -1 : (a.manager ?? '') > (b.manager ?? '') ? 1 : 0
  })
  return ordered.map(({ entry: { subresource, fieldsV1: _, ...entry }, fields }) => ({
    ...entry,
    fieldsV1: formatFieldsV1(fields),
    ...(subresource !== undefined && { subresource }),
  }))
}

interface UpdateFields {
  readonly before: JsonObject | undefined
  readonly after: JsonObject
  readonly schema: FieldSchema
  readonly entries: readonly ManagedFieldsEntry[]
  readonly writer: FieldManager
}

/** The entries after a create, update or patch: the writer owns what it changed, nobody what was removed. */
export function fieldsAfterUpdate({ before, after, schema, entries, writer }: UpdateFields): readonly ManagedFieldsEntry[] {
  // Upstream tracks an object from its creation or its first apply on.
  if (before && entries.length === 0) return entries
  const { written, removed } = ownedChanges(before, after, schema)
  if (isEmptySet(written) && isEmptySet(removed)) return entries
  const entry = entryOf(writer, 'Update')
  const all = parsedAll(entries)
  const own = all.find(other => identity(other.entry) === identity(entry))?.fields ?? noFields
  const others = all
    .filter(other => identity(other.entry) !== identity(entry))
    .map(other => ({ ...other, fields: differenceOf(differenceOf(other.fields, written), removed) }))
  return formatted(capped([...others, { entry, fields: unionOf(differenceOf(own, removed), written) }]))
}

function ownedChanges(before: JsonObject | undefined, after: JsonObject, schema: FieldSchema): { written: FieldSet; removed: FieldSet } {
  const { written, removed } = fieldChanges(before ?? {}, after, schema)
  return { written: withoutUnowned(written), removed: withoutUnowned(removed) }
}

/** Below the unowned fields lies nothing that has an owner either. */
function withoutUnowned(fields: FieldSet, without: FieldSet = unowned): FieldSet {
  return fieldSet(
    fields.isMember && !without.isMember,
    [...fields.children].map(([element, child]) => {
      const other = without.children.get(element)
      if (!other) return [element, child]
      return [element, other.children.size === 0 ? noFields : withoutUnowned(child, other)]
    }),
  )
}

/** Beyond the limit the oldest updaters become one. */
function capped(managed: readonly Managed[]): Managed[] {
  const updaters = managed.filter(({ entry }) => entry.operation === 'Update')
  if (updaters.length <= mostUpdaters) return [...managed]
  const byAge = [...updaters].sort(({ entry: a }, { entry: b }) => ((a.time ?? '') < (b.time ?? '') ? -1 : 1))
  const merged = byAge.slice(0, updaters.length - mostUpdaters + 1)
  const fields = merged.reduce((all, { fields }) => unionOf(all, fields), noFields)
  const { time = '', apiVersion = '' } = merged.at(-1)!.entry
  const ancient = { entry: entryOf({ manager: ancientChanges, apiVersion, time }, 'Update'), fields }
  return [...managed.filter(one => !merged.includes(one)), ancient]
}

interface Application {
  /** The object as it is served; undefined when the configuration creates it. */
  readonly live: JsonObject | undefined
  readonly config: JsonObject
  readonly schema: FieldSchema
  readonly entries: readonly ManagedFieldsEntry[]
  readonly writer: FieldManager
  readonly force: boolean
  /** Fields below these of the top may not be applied here, as `status` of the object itself. */
  readonly ignored: readonly string[]
}

export interface Applied {
  readonly object: JsonObject
  readonly entries: readonly ManagedFieldsEntry[]
  readonly conflicts: readonly ApplyConflict[]
}

/**
 * Applies a configuration: the writer owns exactly the fields that it names, gives up those it named before, and conflicts where
 * another manager owns a field that would change. With conflicts, `object` and `entries` are what force would make of them.
 */
export function applyConfiguration(application: Application): Applied {
  const { live, config, schema, writer, force, ignored } = application
  const settled = Object.fromEntries(Object.entries(config).filter(([name]) => !ignored.includes(name)))
  const wanted = withoutUnowned(fieldsSetBy(settled, schema))
  const entry = entryOf(writer, 'Apply')
  const all = parsedAll(application.entries)
  const former = all.find(other => identity(other.entry) === identity(entry))
  const others = live && all.length === 0 ? [allFieldsOf(live, schema, writer)] : all.filter(other => other !== former)

  const merged = mergeApplied(live ?? {}, settled, schema) as JsonObject
  const owned = others.reduce((sum, { fields }) => unionOf(sum, fields), wanted)
  const object = former ? withoutAbandoned(merged, { last: former.fields, owned }, schema) : merged
  const changes = ownedChanges(live, object, schema)

  const contested = others.map(other => ({ other, fields: intersectionOf(other.fields, changes.written) }))
  const allowed = writer.manager === kubectl && live ? lastApplied(live, schema) : noFields
  const isAllowed = contested.every(({ fields }) => isEmptySet(differenceOf(fields, allowed)))
  const conflicts =
    force || !live || isAllowed
      ? []
      : contested.flatMap(({ other, fields }) =>
          pathsOf(differenceOf(fields, allowed)).map(field => ({ manager: managerText(other.entry), field })),
        )
  const isSame = former !== undefined && sameFields(former.fields, wanted) && isEmptySet(unionOf(changes.written, changes.removed))
  const entries = formatted([
    ...contested.map(({ other, fields }) => ({
      ...other,
      fields: differenceOf(differenceOf(other.fields, fields), changes.removed),
    })),
    { entry: isSame ? former.entry : entry, fields: wanted },
  ])
  return { object: writer.manager === kubectl ? withLastApplied(object, config) : object, entries, conflicts }
}

/** Whoever wrote an object before anyone was tracked. */
function allFieldsOf(live: JsonObject, schema: FieldSchema, { apiVersion, time }: FieldManager): Managed {
  const fields = withoutUnowned(fieldsSetBy(live, schema))
  return { entry: entryOf({ manager: beforeFirstApply, apiVersion, time }, 'Update'), fields }
}

/** What kubectl applied on its own side last: it may take those fields over (fieldmanager, lastappliedmanager.go). */
function lastApplied(live: JsonObject, schema: FieldSchema): FieldSet {
  const text = annotationsOf(live)[annotation]
  if (typeof text !== 'string') return noFields
  try {
    const config: unknown = JSON.parse(text)
    return isJsonObject(config) ? withoutUnowned(fieldsSetBy(config, schema)) : noFields
  } catch {
    return noFields
  }
}

/** An annotation that is there stays true, so that client-side apply can go on. */
function withLastApplied(object: JsonObject, config: JsonObject): JsonObject {
  const annotations = annotationsOf(object)
  if (typeof annotations[annotation] !== 'string') return object
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  return { ...object, metadata: { ...metadata, annotations: { ...annotations, [annotation]: `${JSON.stringify(config)}\n` } } }
}

function annotationsOf({ metadata }: JsonObject): JsonObject {
  return isJsonObject(metadata) && isJsonObject(metadata.annotations) ? metadata.annotations : {}
}

/** A manager in the words of upstream's conflicts (fieldmanager, internal/conflict.go). */
function managerText({ manager, operation, subresource, apiVersion }: ManagedFieldsEntry): string {
  const name = `${JSON.stringify(manager)}${subresource ? ` with subresource ${JSON.stringify(subresource)}` : ''}`
  return operation === 'Update' ? `${name} using ${apiVersion}` : name
}

/** The message of conflicts, grouped by manager. */
export function conflictMessage(conflicts: readonly ApplyConflict[]): string {
  const [first] = conflicts
  if (conflicts.length === 1 && first) return `Apply failed with 1 conflict: conflict with ${first.manager}: ${first.field}`
  const managers = [...new Set(conflicts.map(({ manager }) => manager))].sort()
  const groups = managers.map(manager => {
    const fields = conflicts.filter(conflict => conflict.manager === manager).map(({ field }) => `- ${field}`)
    return `conflicts with ${manager}:\n${fields.join('\n')}`
  })
  return `Apply failed with ${conflicts.length} conflicts: ${groups.join('\n')}`
}
