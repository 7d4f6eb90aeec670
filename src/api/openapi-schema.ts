import type { JsonObject } from './json.js'
import type { ResourceType } from './resource-type.js'
import { apiFacts, type FieldSchema, type TypeSchema, typeSchema } from './schema.js'

/** Where a document keeps its types: `#/definitions/` in version 2, `#/components/schemas/` in version 3. */
export type RefPrefix = '#/definitions/' | '#/components/schemas/'

/** Types that every API uses without a resource naming them. */
const metaTypes = ['DeleteOptions', 'ListMeta', 'ObjectMeta', 'Status'].map(name => `io.k8s.apimachinery.pkg.apis.meta.v1.${name}`)

/** The name of the type of a list, which the facts describe as any type. */
export const listTypeOf = ({ typePath }: ResourceType): string => `${typePath}List`

/** The schemas of everything that `rows` and their subresources speak of, by the types' names. */
export function schemasOf(rows: readonly ResourceType[], prefix: RefPrefix): JsonObject {
  const open = [...metaTypes, ...rows.flatMap(row => [row.typePath, listTypeOf(row), ...row.subresources.flatMap(typeOfSubresource)])]
  const seen = new Set<string>()
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const type = typeSchema(path)
    if (seen.has(path) || !type) continue
    seen.add(path)
    for (const field of Object.values(type.fields ?? {})) open.push(...refsOf(field))
  }
  const version = prefix === '#/definitions/' ? 2 : 3
  return Object.assign(
    Object.fromEntries([...seen].sort().map(path => [path, schemaOfType(path, typeSchema(path)!, prefix)])),
    ...rows.map(({ custom }) => custom?.openApi(version) ?? {}),
  )
}

/** The type that a subresource speaks, when it is one of its own. */
export function typeOfSubresource({ kind, group, version }: ResourceType['subresources'][number]): string[] {
  const found = Object.entries(apiFacts.types).find(
    ([, { gvk }]) => gvk?.[2] === kind && (!group || gvk[0] === group) && (!version || gvk[1] === version),
  )
  return found ? [found[0]] : []
}

const refsOf = ({ ref, items, values }: FieldSchema): string[] => [
  ...(ref === undefined ? [] : [ref]),
  ...(items ? refsOf(items) : []),
  ...(values ? refsOf(values) : []),
]

function schemaOfType(path: string, { type, format, fields, required, gvk }: TypeSchema, prefix: RefPrefix): JsonObject {
  const extension: JsonObject = gvk ? { 'x-kubernetes-group-version-kind': [gvkOf(gvk)] } : {}
  if (path.endsWith('.IntOrString') && prefix === '#/components/schemas/') {
    return { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] }
  }
  if (!fields) return type === undefined ? { type: 'object', ...extension } : { type, ...(format !== undefined && { format }) }
  const properties = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, schemaOfField(field, prefix)]))
  return { type: 'object', ...(required?.length && { required: [...required] }), properties, ...extension }
}

export const gvkOf = ([group, version, kind]: NonNullable<TypeSchema['gvk']>): JsonObject => ({ group, version, kind })

function schemaOfField(field: FieldSchema, prefix: RefPrefix): JsonObject {
  const extensions: JsonObject = {
    ...(field.listType && { 'x-kubernetes-list-type': field.listType }),
    ...(field.listMapKeys && { 'x-kubernetes-list-map-keys': [...field.listMapKeys] }),
    ...(field.mapType && { 'x-kubernetes-map-type': field.mapType }),
    ...(field.patchStrategy && { 'x-kubernetes-patch-strategy': field.patchStrategy }),
    ...(field.patchMergeKey && { 'x-kubernetes-patch-merge-key': field.patchMergeKey }),
  }
  if (field.ref !== undefined) {
    const ref = { $ref: `${prefix}${field.ref}` }
    // Nothing may stand beside $ref in version 3.
    if (Object.keys(extensions).length === 0 || prefix === '#/definitions/') return { ...ref, ...extensions }
    return { allOf: [ref], ...extensions }
  }
  switch (field.type) {
    case 'array':
      return { type: 'array', items: schemaOfField(field.items ?? {}, prefix), ...extensions }
    case 'map':
      return { type: 'object', additionalProperties: schemaOfField(field.values ?? {}, prefix), ...extensions }
    default:
      return { type: field.type ?? 'object', ...(field.format !== undefined && { format: field.format }), ...extensions }
  }
}
