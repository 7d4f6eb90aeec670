import type { FieldSchema } from '../schema.js'
import { keepsUnknown, type StructuralSchema } from './structural-schema.js'

const metaType = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'

/** What nobody described: objects are maps all the way down, lists are one whole. */
const deduced: FieldSchema = { type: 'map' }
Object.assign(deduced, { values: deduced })

/** How an object of the schema divides into fields that may have different owners. */
export const resourceFieldSchema = (schema: StructuralSchema): FieldSchema => {
  const own = fieldSchemaOf(schema)
  const typeMeta = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { ref: metaType } } as const
  return { type: 'object', ...own, fields: { ...own.fields, ...typeMeta } }
}

function fieldSchemaOf(schema: StructuralSchema): FieldSchema {
  const { type, properties, additionalProperties, items } = schema
  const listType = schema['x-kubernetes-list-type'] as FieldSchema['listType']
  const listMapKeys = schema['x-kubernetes-list-map-keys']
  if (schema['x-kubernetes-map-type'] === 'atomic') return { type: 'object', mapType: 'atomic' }
  switch (type) {
    case 'object': {
      if (schema['x-kubernetes-embedded-resource'] && !properties) return deduced
      const unlisted = keepsUnknown(schema) ? { values: deduced } : {}
      if (properties) {
        const fields = Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, fieldSchemaOf(property)]))
        return { type: 'object', fields, ...unlisted }
      }
      if (typeof additionalProperties === 'object') return { type: 'map', values: fieldSchemaOf(additionalProperties) }
      return deduced
    }
    case 'array':
      return {
        type: 'array',
        ...(items && { items: fieldSchemaOf(items) }),
        ...(listType && { listType }),
        ...(listMapKeys && { listMapKeys }),
      }
    case undefined:
    case '':
      return deduced
    default:
      return { type: 'string' }
  }
}
