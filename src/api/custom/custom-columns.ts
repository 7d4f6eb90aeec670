import type { CustomResourceColumnDefinition } from '../generated/types.js'
import { ageOf } from '../human-duration.js'
import type { JsonObject, JsonValue } from '../json.js'
import type { KubeObject, TableColumn } from '../resource-type.js'
import { ageColumn, nameColumn } from '../table-columns/column.js'
import { parseJsonPath } from './json-path.js'

/** The columns of a version: the name first, and the age where the definition names no columns. */
export function customColumns(definitions: readonly CustomResourceColumnDefinition[] | undefined): readonly TableColumn[] {
  if (!definitions?.length) return [nameColumn, ageColumn]
  return [nameColumn, ...definitions.map(columnOf)]
}

function columnOf({ name, type, format, description, priority, jsonPath }: CustomResourceColumnDefinition): TableColumn {
  const path = parseJsonPath(jsonPath)
  return {
    name,
    type: type as TableColumn['type'],
    ...(format !== undefined && { format }),
    description: description ?? `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    priority: priority ?? 0,
    cell: (object: KubeObject, now: number) => cellOf(path?.(object as unknown as JsonObject) ?? [], type, now),
  }
}

/** A cell as upstream prints it (apiextensions, pkg/registry/customresource/tableconvertor): empty for what is missing or of another type. */
function cellOf(found: readonly JsonValue[], type: string, now: number): string | number | boolean | null {
  const [value] = found
  if (value === undefined || value === null) return null
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null
    case 'number':
      return typeof value === 'number' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      return typeof value === 'string' ? (Number.isNaN(Date.parse(value)) ? '<invalid>' : ageOf(value, now)) : null
    default:
      return found.map(one => (typeof one === 'string' ? one : JSON.stringify(one))).join(',')
  }
}
