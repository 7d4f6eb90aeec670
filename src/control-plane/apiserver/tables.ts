import type { KubeObject, ResourceType } from '../../api/resource-type.js'

export type IncludeObject = 'None' | 'Metadata' | 'Object'

type Columns = Pick<ResourceType, 'columns'>

/** The columns of a Table. */
export const tableColumns = ({ columns }: Columns): object[] =>
  columns.map(({ name, type, format = '', description, priority }) => ({ name, type, format, description, priority }))

/** One row of a Table (meta.k8s.io/v1). */
export function tableRow({ columns }: Columns, object: KubeObject, include: IncludeObject, now: number): object {
  const row = { cells: columns.map(column => column.cell(object, now)) }
  if (include === 'None') return row
  return { ...row, object: include === 'Object' ? object : partialMetadata(withoutManagers(object)) }
}

/** Rows are there to be printed, and who owns which field is not; upstream leaves it in. */
function withoutManagers(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata ?? {}
  return { ...object, metadata }
}

/** A whole Table. */
export const table = (
  resource: Columns,
  objects: readonly KubeObject[],
  { metadata, include }: { readonly metadata: object; readonly include: IncludeObject },
): object => {
  const now = Date.now()
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: tableColumns(resource),
    rows: objects.map(object => tableRow(resource, object, include, now)),
  }
}

/** Only an object's metadata. */
export const partialMetadata = ({ metadata }: KubeObject): object => ({
  kind: 'PartialObjectMetadata',
  apiVersion: 'meta.k8s.io/v1',
  metadata,
})
