import { parseLabelSelector } from '../../api/parse-label-selector.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { matchesFields, matchesLabels, parseFieldSelector } from '../../api/selector.js'
import { badRequest } from '../../api/status.js'

/** True for the objects that a list or watch asks for. */
export type ObjectFilter = (object: KubeObject) => boolean

/** The filter of a request's labelSelector and fieldSelector; undefined for none. Throws 400 for what cannot be parsed or selected by. */
export function objectFilter(resource: ResourceType, query: URLSearchParams): ObjectFilter | undefined {
  const labelText = query.get('labelSelector') ?? ''
  const fieldText = query.get('fieldSelector') ?? ''
  const labels = parsed(parseLabelSelector, labelText)
  const fields = parsed(parseFieldSelector, fieldText)
  const known = Object.keys(fieldsOf(resource, {}))
  const stranger = fields.find(({ field }) => !known.includes(field))
  if (stranger) throw unknownField(resource, stranger.field)
  if (labels.length === 0 && fields.length === 0) return undefined
  return object => {
    if (labels.length > 0 && !matchesLabels(labels, object.metadata?.labels)) return false
    return fields.length === 0 || matchesFields(fields, fieldsOf(resource, object))
  }
}

/** Strategies read an object with all its optional parts missing, so an empty one gives the names. */
function fieldsOf({ strategy }: ResourceType, object: KubeObject): Readonly<Record<string, string>> {
  const { name = '', namespace = '' } = object.metadata ?? {}
  return { ...strategy.selectableFields(object), 'metadata.name': name, 'metadata.namespace': namespace }
}

/** Upstream has other words for kinds with no fields of their own. */
const unknownField = ({ strategy, custom }: ResourceType, field: string) =>
  badRequest(
    custom || Object.keys(strategy.selectableFields({})).length > 0
      ? `field label not supported: ${field}`
      : `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
  )

function parsed<T>(parse: (text: string) => T, text: string): T {
  try {
    return parse(text)
  } catch (error) {
    throw badRequest(error instanceof Error ? error.message : String(error), error)
  }
}
