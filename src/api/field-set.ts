import { isJsonObject, type JsonObject, type JsonValue } from './json.js'

/**
 * A set of field paths as a tree, as managedFields hold them in FieldsV1. An element of a path is `f:NAME` for a field or a map's key,
 * `k:{"KEY":VALUE}` for an item of a list with keys and `v:VALUE` for an item of a set.
 */
export interface FieldSet {
  /** True when the path that leads here is in the set itself. */
  readonly isMember: boolean
  readonly children: ReadonlyMap<string, FieldSet>
}

const noChildren: ReadonlyMap<string, FieldSet> = new Map()

export const noFields: FieldSet = { isMember: false, children: noChildren }
export const oneField: FieldSet = { isMember: true, children: noChildren }

export const isEmptySet = ({ isMember, children }: FieldSet): boolean => !isMember && children.size === 0

/** The set of these children; those that are empty are left out. */
export function fieldSet(isMember: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  const kept = new Map<string, FieldSet>()
  for (const [element, child] of children) if (!isEmptySet(child)) kept.set(element, child)
  return { isMember, children: kept.size === 0 ? noChildren : kept }
}

export function unionOf(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b
  if (isEmptySet(b)) return a
  const elements = new Set([...a.children.keys(), ...b.children.keys()])
  return fieldSet(
    a.isMember || b.isMember,
    [...elements].map(element => [element, unionOf(a.children.get(element) ?? noFields, b.children.get(element) ?? noFields)]),
  )
}

export function intersectionOf(a: FieldSet, b: FieldSet): FieldSet {
  return fieldSet(
    a.isMember && b.isMember,
    [...a.children].map(([element, child]) => [element, intersectionOf(child, b.children.get(element) ?? noFields)]),
  )
}

/** What is in `a` and not in `b`, path by path: what lies below a path of `b` stays. */
export function differenceOf(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a
  return fieldSet(
    a.isMember && !b.isMember,
    [...a.children].map(([element, child]) => [element, differenceOf(child, b.children.get(element) ?? noFields)]),
  )
}

export const sameFields = (a: FieldSet, b: FieldSet): boolean =>
  a.isMember === b.isMember &&
  a.children.size === b.children.size &&
  [...a.children].every(([element, child]) => sameFields(child, b.children.get(element) ?? noFields))

/** Every path in the set, as upstream prints it: `.spec.containers[name="web"].image`. Sorted. */
export function pathsOf(set: FieldSet, prefix = ''): string[] {
  const below = sorted(set).flatMap(([element, child]) => pathsOf(child, prefix + elementText(element)))
  return set.isMember && prefix !== '' ? [prefix, ...below] : below
}

function elementText(element: string): string {
  const text = element.slice(2)
  if (element.startsWith('f:')) return `.${text}`
  if (element.startsWith('v:')) return `[=${text}]`
  const key: unknown = JSON.parse(text)
  return `[${Object.entries(isJsonObject(key) ? key : {})
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(',')}]`
}

const sorted = ({ children }: FieldSet): (readonly [string, FieldSet])[] => [...children].sort(([a], [b]) => (a < b ? -1 : 1))

/** The set as FieldsV1 (meta/v1 types.go): `{}` is a path of the set, `.` one that has others below it. */
export function formatFieldsV1(set: FieldSet): JsonObject {
  const own = set.isMember && set.children.size > 0 ? [['.', {}] as const] : []
  return Object.fromEntries([...own, ...sorted(set).map(([element, child]) => [element, formatFieldsV1(child)] as const)])
}

/** Reads FieldsV1; undefined for what is none. */
export function parseFieldsV1(value: JsonValue | undefined): FieldSet | undefined {
  if (!isJsonObject(value)) return undefined
  const children: [string, FieldSet][] = []
  for (const [element, below] of Object.entries(value)) {
    if (element === '.') continue
    if (!isElement(element)) return undefined
    const child = parseFieldsV1(below)
    if (!child) return undefined
    children.push([element, Object.keys(below as JsonObject).length === 0 ? oneField : child])
  }
  return { isMember: Object.hasOwn(value, '.'), children: new Map(children) }
}

function isElement(element: string): boolean {
  if (element.startsWith('f:')) return true
  if (!/^[kv]:/.test(element)) return false
  try {
    const value: unknown = JSON.parse(element.slice(2))
    return element.startsWith('v:') || isJsonObject(value)
  } catch {
    return false
  }
}
