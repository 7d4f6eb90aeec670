import { type FieldProblem, invalid, required } from '../field-problem.js'
import { events } from '../generated/resources.js'
import type { Event, EventsEvent } from '../generated/types.js'
import { checkQualifiedName } from '../name-format.js'
import type { KubeObject, StoredForm, Strategy } from '../resource-type.js'
import { validateImmutable } from '../validate-meta.js'
import { plainStrategy } from './plain-strategy.js'

export const eventStrategy: Strategy<Event> = {
  ...plainStrategy,
  setDefaults(event) {
    event.involvedObject ??= {}
  },
  validate({ metadata, involvedObject }): FieldProblem[] {
    const wanted = involvedObject?.namespace || 'default'
    if (metadata?.namespace === wanted) return []
    return [invalid('involvedObject.namespace', involvedObject?.namespace ?? '', 'does not match event.namespace')]
  },
  selectableFields: event => ({ ...eventFields(event), source: event.source?.component || event.reportingComponent || '' }),
}

const eventFields = ({
  involvedObject: about,
  reason,
  reportingComponent,
  type,
}: Pick<Event, 'involvedObject' | 'reason' | 'reportingComponent' | 'type'>): Readonly<Record<string, string>> => ({
  'involvedObject.kind': about?.kind ?? '',
  'involvedObject.namespace': about?.namespace ?? '',
  'involvedObject.name': about?.name ?? '',
  'involvedObject.uid': about?.uid ?? '',
  'involvedObject.apiVersion': about?.apiVersion ?? '',
  'involvedObject.resourceVersion': about?.resourceVersion ?? '',
  'involvedObject.fieldPath': about?.fieldPath ?? '',
  reason: reason ?? '',
  reportingComponent: reportingComponent ?? '',
  type: type ?? '',
})

const largest = { note: 1024, reason: 128, action: 128, instance: 128 }

/** Events of their own group must say more than those of the core group: who reports, what was done, why. */
export const newEventStrategy: Strategy<EventsEvent> = {
  ...plainStrategy,
  validate({ metadata, regarding, eventTime, reportingController, reportingInstance, action, reason, note, type }) {
    const problems: FieldProblem[] = []
    const wanted = regarding?.namespace || 'default'
    if (metadata?.namespace !== wanted) {
      problems.push(invalid('involvedObject.namespace', regarding?.namespace ?? '', 'does not match event.namespace'))
    }
    if (!eventTime) problems.push(required('eventTime'))
    const text = { reportingController, reportingInstance, action, reason }
    for (const [field, value] of Object.entries(text)) if (!value) problems.push(required(field))
    for (const message of reportingController ? checkQualifiedName(reportingController) : []) {
      problems.push(invalid('reportingController', reportingController, message))
    }
    const limits = [
      ['note', note, largest.note],
      ['reason', reason, largest.reason],
      ['action', action, largest.action],
      ['reportingInstance', reportingInstance, largest.instance],
    ] as const
    for (const [field, value = '', limit] of limits) {
      if (value.length > limit) problems.push(invalid(field, '', `can have at most ${limit} characters`))
    }
    if (type !== 'Normal' && type !== 'Warning') problems.push(invalid('type', type ?? '', 'must be Normal or Warning'))
    return problems
  },
  /** Only the series goes on. */
  validateUpdate(event, previous) {
    const fields = ['regarding', 'related', 'reason', 'action', 'note', 'type', 'reportingController', 'reportingInstance'] as const
    const times =
      Date.parse(event.eventTime) === Date.parse(previous.eventTime)
        ? []
        : validateImmutable(event.eventTime, previous.eventTime, 'eventTime')
    return [...fields.flatMap(field => validateImmutable(event[field], previous[field], field)), ...times]
  },
  selectableFields: ({ regarding, reportingController, deprecatedSource, reason, type }) => ({
    ...Object.fromEntries(
      Object.entries(
        eventFields({
          involvedObject: regarding ?? {},
          reason: reason ?? '',
          reportingComponent: reportingController ?? '',
          type: type ?? '',
        }),
      ).map(([field, value]) => [
        field.replace('involvedObject.', 'regarding.').replace('reportingComponent', 'reportingController'),
        value,
      ]),
    ),
    source: deprecatedSource?.component || reportingController || '',
  }),
}

/** One event, whichever group it is written in. */
export const newEventForm: StoredForm<EventsEvent> = {
  resource: events,
  toStored: ({
    regarding,
    note,
    reportingController,
    deprecatedCount,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedSource,
    ...rest
  }) =>
    present({
      ...rest,
      involvedObject: regarding ?? {},
      message: note,
      reportingComponent: reportingController,
      count: deprecatedCount,
      firstTimestamp: deprecatedFirstTimestamp,
      lastTimestamp: deprecatedLastTimestamp,
      source: deprecatedSource,
    }),
  fromStored(object) {
    const { involvedObject, message, reportingComponent, count, firstTimestamp, lastTimestamp, source, eventTime, ...rest } =
      object as Event
    return present({
      ...rest,
      eventTime: eventTime ?? null,
      regarding: involvedObject,
      note: message,
      reportingController: reportingComponent,
      deprecatedCount: count,
      deprecatedFirstTimestamp: firstTimestamp,
      deprecatedLastTimestamp: lastTimestamp,
      deprecatedSource: source,
    }) as unknown as EventsEvent
  },
}

const present = (object: object): KubeObject => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
