import { duplicate, type FieldProblem, forbidden, invalid, invalidAll, required, tooLong } from './field-problem.js'
import type { LabelSelector, ObjectMeta } from './generated/types.js'
import { jsonEqual } from './json.js'
import { asPrefix, checkDnsLabel, checkLabelValue, checkQualifiedName, type NameCheck } from './name-format.js'

const largestAnnotations = 256 * 1024
const immutable = 'field is immutable'

/** What is wrong with an object's metadata. */
export function validateMeta(
  meta: ObjectMeta,
  /** Finalizers of custom resources may be any name. */
  { namespaced, checkName, isCustom = false }: { readonly namespaced: boolean; readonly checkName: NameCheck; readonly isCustom?: boolean },
): FieldProblem[] {
  const problems: FieldProblem[] = []
  if (meta.generateName !== undefined && meta.generateName !== '') {
    problems.push(...invalidAll('metadata.generateName', meta.generateName, asPrefix(checkName)(meta.generateName)))
  }
  if (!meta.name) problems.push(required('metadata.name', 'name or generateName is required'))
  else problems.push(...invalidAll('metadata.name', meta.name, checkName(meta.name)))
  if (namespaced && !meta.namespace) problems.push(required('metadata.namespace'))
  else if (namespaced) problems.push(...invalidAll('metadata.namespace', meta.namespace, checkDnsLabel(meta.namespace!)))
  else if (meta.namespace) problems.push(forbidden('metadata.namespace', 'not allowed on this type'))

  problems.push(...validateLabels(meta.labels, 'metadata.labels'))
  let size = 0
  for (const [key, value] of Object.entries(meta.annotations ?? {})) {
    problems.push(...invalidAll('metadata.annotations', key, checkQualifiedName(key.toLowerCase())))
    size += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (size > largestAnnotations) problems.push(tooLong('metadata.annotations', largestAnnotations))
  for (const finalizer of meta.finalizers ?? []) {
    problems.push(...invalidAll('metadata.finalizers', finalizer, checkQualifiedName(finalizer)))
    if (!isCustom && !finalizer.includes('/') && !standardFinalizers.has(finalizer)) {
      problems.push(invalid('metadata.finalizers', finalizer, 'name is neither a standard finalizer name nor is it fully qualified'))
    }
  }
  problems.push(...validateOwners(meta))
  return problems
}

const standardFinalizers = new Set(['kubernetes', 'orphan', 'foregroundDeletion', 'customresourcecleanup.apiextensions.k8s.io'])

function validateOwners({ ownerReferences = [] }: ObjectMeta): FieldProblem[] {
  const problems: FieldProblem[] = []
  ownerReferences.forEach((owner, i) => {
    const at = `metadata.ownerReferences[${i}]`
    if (!owner.apiVersion) problems.push(invalid(`${at}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty'))
    if (!owner.kind) problems.push(invalid(`${at}.kind`, owner.kind ?? '', 'must not be empty'))
    if (!owner.name) problems.push(invalid(`${at}.name`, owner.name ?? '', 'must not be empty'))
    if (!owner.uid) problems.push(invalid(`${at}.uid`, owner.uid ?? '', 'must not be empty'))
  })
  const controllers = ownerReferences.filter(({ controller }) => controller)
  if (controllers.length > 1) {
    const [first, second] = controllers
    const detail = `Only one reference can have Controller set to true. Found "true" in references for ${first?.kind}/${first?.name} and ${second?.kind}/${second?.name}`
    problems.push(invalid('metadata.ownerReferences', ownerReferences, detail))
  }
  return problems
}

/** What is wrong with a change of metadata. */
export function validateMetaUpdate(meta: ObjectMeta, previous: ObjectMeta): FieldProblem[] {
  const problems: FieldProblem[] = []
  for (const field of ['name', 'namespace', 'uid', 'creationTimestamp'] as const) {
    if (meta[field] !== previous[field]) problems.push(invalid(`metadata.${field}`, meta[field], immutable))
  }
  const added = (meta.finalizers ?? []).filter(finalizer => !previous.finalizers?.includes(finalizer))
  if (previous.deletionTimestamp && added.length > 0) {
    problems.push(
      forbidden(
        'metadata.finalizers',
        `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
      ),
    )
  }
  return problems
}

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, field: string): FieldProblem[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...invalidAll(field, key, checkQualifiedName(key)),
    ...invalidAll(field, value, checkLabelValue(value)),
  ])
}

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist']

export function validateLabelSelector(selector: LabelSelector | undefined, field: string): FieldProblem[] {
  const problems = validateLabels(selector?.matchLabels, `${field}.matchLabels`)
  selector?.matchExpressions?.forEach(({ key = '', operator = '', values = [] }, i) => {
    const at = `${field}.matchExpressions[${i}]`
    problems.push(...invalidAll(`${at}.key`, key, checkQualifiedName(key)))
    if (!operators.includes(operator)) problems.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'))
    else if (operator.endsWith('In') && values.length === 0) {
      problems.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    } else if (!operator.endsWith('In') && values.length > 0) {
      problems.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    }
    for (const value of values) problems.push(...invalidAll(`${at}.values`, value, checkLabelValue(value)))
  })
  return problems
}

/** `Invalid value … field is immutable` when the values differ. */
export const validateImmutable = (value: unknown, previous: unknown, field: string): FieldProblem[] =>
  jsonEqual(value, previous) ? [] : [invalid(field, value, immutable)]

/** A `Duplicate value` for each text that came before. */
export function validateUnique(values: readonly (string | undefined)[], fieldOf: (i: number) => string): FieldProblem[] {
  const seen = new Set<string>()
  return values.flatMap((value, i) => {
    if (value === undefined || value === '') return []
    if (seen.has(value)) return [duplicate(fieldOf(i), value)]
    seen.add(value)
    return []
  })
}
