import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionStatus,
} from '../generated/types.js'
import { jsonEqual } from '../json.js'

type Condition = Pick<CustomResourceDefinitionCondition, 'type' | 'status' | 'reason' | 'message'>

/**
 * The status that a definition should have among the `others`: names that another of its group has accepted are not taken again; once
 * established it stays so (apiextensions, pkg/controller/status).
 */
export function definitionStatus(
  definition: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
  now: string,
): CustomResourceDefinitionStatus {
  const { spec, status = {}, metadata = {} } = definition
  const taken = others
    .filter(other => other.spec.group === spec.group && other.metadata?.uid !== metadata.uid)
    .flatMap(({ status }) => (status?.acceptedNames ? [status.acceptedNames] : []))
  const { names, conflict } = acceptNames(spec.names, status.acceptedNames, taken)
  const wasEstablished = status.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')
  const isEstablished = wasEstablished || conflict === undefined
  const wanted: Condition[] = [
    conflict ?? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
    isEstablished
      ? { type: 'Established', status: 'True', reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' }
      : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' },
    ...(metadata.deletionTimestamp === undefined
      ? []
      : [
          {
            type: 'Terminating',
            status: 'True',
            reason: 'InstanceDeletionInProgress',
            message: 'CustomResource deletion is in progress',
          },
        ]),
  ]
  const conditions = wanted.map(condition => {
    const before = status.conditions?.find(({ type }) => type === condition.type)
    const { lastTransitionTime, ...rest } = before ?? {}
    return { lastTransitionTime: before?.status === condition.status ? (lastTransitionTime ?? now) : now, ...rest, ...condition }
  })
  const next = { ...status, acceptedNames: names, conditions }
  return jsonEqual(next, status) ? status : next
}

/** The names that are free, each other one as it was accepted before. */
function acceptNames(
  wanted: CustomResourceDefinitionNames,
  accepted: CustomResourceDefinitionNames | undefined,
  taken: readonly CustomResourceDefinitionNames[],
): { readonly names: CustomResourceDefinitionNames; readonly conflict: Condition | undefined } {
  const words = new Set(taken.flatMap(({ plural, singular, shortNames = [] }) => [plural, singular ?? '', ...shortNames]))
  const kinds = new Set(taken.flatMap(({ kind, listKind }) => [kind, listKind ?? '']))
  const inUse = (names: readonly string[], among: ReadonlySet<string>): string[] => names.filter(name => name !== '' && among.has(name))
  const { plural, singular = '', shortNames = [], kind, listKind = '', categories } = wanted
  const checks = [
    ['PluralConflict', inUse([plural], words)],
    ['SingularConflict', inUse([singular], words)],
    ['ShortNamesConflict', inUse(shortNames, words)],
    ['KindConflict', inUse([kind], kinds)],
    ['ListKindConflict', inUse([listKind], kinds)],
  ] as const
  const found = checks.find(([, names]) => names.length > 0)
  const isFree = (reason: (typeof checks)[number][0]): boolean => checks.some(([other, names]) => other === reason && names.length === 0)
  const names = {
    plural: isFree('PluralConflict') ? plural : (accepted?.plural ?? ''),
    singular: isFree('SingularConflict') ? singular : (accepted?.singular ?? ''),
    shortNames: isFree('ShortNamesConflict') ? shortNames : (accepted?.shortNames ?? []),
    kind: isFree('KindConflict') ? kind : (accepted?.kind ?? ''),
    listKind: isFree('ListKindConflict') ? listKind : (accepted?.listKind ?? ''),
    categories: categories ?? [],
  }
  const kept = Object.fromEntries(Object.entries(names).filter(([, value]) => value.length > 0)) as unknown as CustomResourceDefinitionNames
  if (!found) return { names: kept, conflict: undefined }
  const message = found[1].map(name => `${JSON.stringify(name)} is already in use`).join(', ')
  return { names: kept, conflict: { type: 'NamesAccepted', status: 'False', reason: found[0], message } }
}
