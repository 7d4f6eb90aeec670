import { type FieldProblem, invalid } from '../field-problem.js'
import type { Event } from '../generated/types.js'
import type { Strategy } from '../resource-type.js'
import { plainStrategy } from './plain-strategy.js'

export const eventStrategy: Strategy<Event> = {
  ...plainStrategy,
  validate({ metadata, involvedObject }): FieldProblem[] {
    const wanted = involvedObject?.namespace || 'default'
    if (metadata?.namespace === wanted) return []
    return [invalid('involvedObject.namespace', involvedObject?.namespace ?? '', 'does not match event.namespace')]
  },
  selectableFields: ({ involvedObject: about, reason, reportingComponent, source, type }) => ({
    'involvedObject.kind': about?.kind ?? '',
    'involvedObject.namespace': about?.namespace ?? '',
    'involvedObject.name': about?.name ?? '',
    'involvedObject.uid': about?.uid ?? '',
    'involvedObject.apiVersion': about?.apiVersion ?? '',
    'involvedObject.resourceVersion': about?.resourceVersion ?? '',
    'involvedObject.fieldPath': about?.fieldPath ?? '',
    reason: reason ?? '',
    reportingComponent: reportingComponent ?? '',
    source: source?.component || reportingComponent || '',
    type: type ?? '',
  }),
}
