import type { LabelSelector } from '../generated/types.js'
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

/** A selector in kubectl's short form: `app=web,tier in (a,b),!old`. */
export function selectorText({ matchLabels, matchExpressions = [] }: LabelSelector = {}): string {
  const equal = Object.keys(matchLabels ?? {}).length > 0 ? [labelText(matchLabels)] : []
  const others = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key
    if (operator === 'DoesNotExist') return `!${key}`
    return `${key} ${operator.toLowerCase()} (${[...values].sort().join(',')})`
  })
  return [...equal, ...others].join(',') || '<none>'
}

/** What stands for a value that is not set. */
export const orUnset = (value: string | number | undefined): string => (value === undefined || value === '' ? '<unset>' : String(value))

/** The addresses of a load balancer, sorted; the whole of them only with `-o wide` upstream. */
export const ingressAddresses = (ingress: readonly { readonly ip?: string; readonly hostname?: string }[] | undefined): string =>
  [...new Set((ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter(text => text !== ''))].sort().join(',')
