import { parseLabelSelector } from '../../api/parse-label-selector.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { matchesFields, matchesLabels, parseFieldSelector } from '../../api/selector.js'
import { badRequest } from '../../api/status.js'

/** True for the objects that a list or watch asks for. */
export type ObjectFilter = (object: KubeObject) => boolean

/** The filter of a request's labelSelector and fieldSelector. Throws 400 for what cannot be parsed or selected by. */
export function objectFilter(resource: ResourceType, query: URLSearchParams): ObjectFilter {
  const labelText = query.get('labelSelector') ?? ''
  const fieldText = query.get('fieldSelector') ?? ''
  const labels = parsed(parseLabelSelector, labelText)
  const fields = parsed(parseFieldSelector, fieldText)
  const known = Object.keys(fieldsOf(resource, {}))
  const stranger = fields.find(({ field }) => !known.includes(field))
  if (stranger) throw badRequest(`field label not supported: ${stranger.field}`)
  if (labels.length === 0 && fields.length === 0) return () => true
  return object => {
    if (labels.length > 0 && !matchesLabels(labels, object.metadata?.labels)) return false
    return fields.length === 0 || matchesFields(fields, fieldsOf(resource, object))
  }
}

/** Strategies read an object with all its optional parts missing, so an empty one gives the names. */
function fieldsOf({ strategy, namespaced }: ResourceType, object: KubeObject): Readonly<Record<string, string>> {
  const { name = '', namespace = '' } = object.metadata ?? {}
  return { ...strategy.selectableFields(object), 'metadata.name': name, ...(namespaced && { 'metadata.namespace': namespace }) }
}

function parsed<T>(parse: (text: string) => T, text: string): T {
  try {
    return parse(text)
  } catch (error) {
    throw badRequest(error instanceof Error ? error.message : String(error), error)
  }
}
