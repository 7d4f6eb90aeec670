import type { Container, Deployment, LabelSelector, ReplicaSet } from '../generated/types.js'
import type { TableColumn } from '../resource-type.js'
import { ageColumn, column, labelText, nameColumn, wide } from './column.js'

const containersOf = (object: Deployment | ReplicaSet): readonly Container[] => object.spec?.template?.spec?.containers ?? []

const templateColumns: readonly TableColumn<Deployment & ReplicaSet>[] = [
  wide('Containers', 'string', 'Names of the containers', object =>
    containersOf(object)
      .map(({ name }) => name)
      .join(','),
  ),
  wide('Images', 'string', 'Images of the containers', object =>
    containersOf(object)
      .map(({ image }) => image)
      .join(','),
  ),
  wide('Selector', 'string', 'Which Pods are counted', ({ spec }) => selectorText(spec?.selector)),
]

export const deploymentColumns: readonly TableColumn<Deployment>[] = [
  nameColumn,
  column(
    'Ready',
    'string',
    'Replicas that are ready, of those wanted',
    ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
  ),
  column('Up-to-date', 'string', 'Replicas made from the current template', ({ status }) => status?.updatedReplicas ?? 0),
  column('Available', 'string', 'Replicas ready for long enough', ({ status }) => status?.availableReplicas ?? 0),
  ageColumn,
  ...templateColumns,
]

export const replicaSetColumns: readonly TableColumn<ReplicaSet>[] = [
  nameColumn,
  column('Desired', 'integer', 'Replicas that are wanted', ({ spec }) => spec?.replicas ?? 0),
  column('Current', 'integer', 'Replicas that exist', ({ status }) => status?.replicas ?? 0),
  column('Ready', 'integer', 'Replicas that are ready', ({ status }) => status?.readyReplicas ?? 0),
  ageColumn,
  ...templateColumns,
]

/** A selector in kubectl's short form: `app=web,tier in (a,b),!old`. */
function selectorText({ matchLabels, matchExpressions = [] }: LabelSelector = {}): string {
  const equal = Object.keys(matchLabels ?? {}).length > 0 ? [labelText(matchLabels)] : []
  const others = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key
    if (operator === 'DoesNotExist') return `!${key}`
    return `${key} ${operator.toLowerCase()} (${[...values].sort().join(',')})`
  })
  return [...equal, ...others].join(',') || '<none>'
}
