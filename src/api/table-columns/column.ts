import { ageOf } from '../human-duration.js'
import type { KubeObject, TableColumn } from '../resource-type.js'

type Cell<T> = (object: T, now: number) => string | number | boolean

/** A column that is always shown. */
export const column = <T extends KubeObject>(
  name: string,
  type: TableColumn['type'],
  description: string,
  cell: Cell<T>,
): TableColumn<T> => ({
  name,
  type,
  priority: 0,
  description,
  cell,
})

/** A column that only `-o wide` shows. */
export const wide = <T extends KubeObject>(
  name: string,
  type: TableColumn['type'],
  description: string,
  cell: Cell<T>,
): TableColumn<T> => ({
  ...column(name, type, description, cell),
  priority: 1,
})

/** kubectl knows the column of names by its format. */
export const nameColumn: TableColumn = {
  ...column('Name', 'string', 'The name of the object', ({ metadata }) => metadata?.name ?? ''),
  format: 'name',
}

export const ageColumn: TableColumn = column('Age', 'string', 'Time since the object was created', ({ metadata }, now) =>
  ageOf(metadata?.creationTimestamp, now),
)

/** `<none>` for what is empty. */
export const orNone = (text: string | undefined): string => (text ? text : '<none>')

/** A map of labels as kubectl prints it: `a=1,b=2`. */
export const labelText = (labels: Readonly<Record<string, string>> | undefined): string =>
  orNone(
    Object.keys(labels ?? {})
      .sort()
      .map(key => `${key}=${labels![key]}`)
      .join(','),
  )
