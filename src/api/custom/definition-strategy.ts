import { duplicate, type FieldProblem, forbidden, invalid, invalidAll, notSupported, required } from '../field-problem.js'
import type { CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionVersion } from '../generated/types.js'
import { jsonEqual } from '../json.js'
import { checkDns1035Label, checkDnsSubdomain } from '../name-format.js'
import type { Strategy } from '../resource-type.js'
import { plainStrategy } from '../strategies/plain-strategy.js'
import { parseFieldPath, parseJsonPath } from './json-path.js'
import type { StructuralSchema } from './structural-schema.js'
import { schemaProblems } from './validate-schema.js'

/** Holds a definition until its objects are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io'
const approval = 'api-approved.kubernetes.io'
const columnTypes = ['boolean', 'date', 'integer', 'number', 'string']
const mostSelectableFields = 8

export const schemaOfVersion = ({ schema }: CustomResourceDefinitionVersion): StructuralSchema =>
  (schema?.openAPIV3Schema ?? { type: 'object' }) as StructuralSchema

/** CustomResourceDefinitions (apiextensions, pkg/apis/apiextensions/validation). */
export const definitionStrategy: Strategy<CustomResourceDefinition> = {
  ...plainStrategy,
  hasGeneration: true,
  finalizersOnDelete: [cleanupFinalizer],
  setDefaults({ spec }) {
    if (!spec?.names) return
    spec.names.singular ||= spec.names.kind?.toLowerCase()
    spec.names.listKind ||= `${spec.names.kind}List`
    spec.conversion ??= { strategy: 'None' }
    if (spec.preserveUnknownFields === false) delete spec.preserveUnknownFields
  },
  prepareCreate(definition) {
    const { versions = [] } = definition.spec ?? {}
    definition.status = { storedVersions: versions.filter(({ storage }) => storage).map(({ name }) => name) }
  },
  prepareUpdate(definition) {
    const status = definition.status ?? {}
    const stored = status.storedVersions ?? []
    const added = (definition.spec?.versions ?? []).filter(({ name, storage }) => storage && !stored.includes(name))
    if (added.length > 0) definition.status = { ...status, storedVersions: [...stored, ...added.map(({ name }) => name)] }
  },
  validate: definitionProblems,
  validateUpdate({ spec, status }, previous) {
    const fixed = [
      ['spec.group', spec.group, previous.spec.group],
      ['spec.scope', spec.scope, previous.spec.scope],
      ['spec.names.kind', spec.names.kind, previous.spec.names.kind],
      ['spec.names.plural', spec.names.plural, previous.spec.names.plural],
    ] as const
    const isEstablished = previous.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')
    return [
      ...(isEstablished ? fixed : []).flatMap(([field, now, before]) =>
        now === before ? [] : [invalid(field, now, 'field is immutable')],
      ),
      ...(status?.storedVersions ?? []).flatMap((name, i) =>
        spec.versions.some(version => version.name === name)
          ? []
          : [
              invalid(
                `status.storedVersions[${i}]`,
                name,
                `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
              ),
            ],
      ),
    ]
  },
}

function definitionProblems({ metadata, spec }: CustomResourceDefinition): FieldProblem[] {
  if (!spec) return [required('spec')]
  const { group = '', names, scope, versions = [], conversion } = spec
  const problems: FieldProblem[] = [...namesProblems(names, 'spec.names')]
  const whole = `${names?.plural}.${group}`
  if (metadata?.name !== whole) problems.push(invalid('metadata.name', metadata?.name ?? '', 'must be spec.names.plural+"."+spec.group'))
  if (group === '') problems.push(required('spec.group'))
  else problems.push(...invalidAll('spec.group', group, checkDnsSubdomain(group)))
  if (group !== '' && !group.includes('.')) problems.push(invalid('spec.group', group, 'should be a domain with at least one dot'))
  if (/(^|\.)(k8s|kubernetes)\.io$/.test(group) && !metadata?.annotations?.[approval]) {
    const why = `protected groups must have approval annotation "${approval}", see https://github.com/kubernetes/enhancements/pull/1111`
    problems.push(required(`metadata.annotations[${approval}]`, why))
  }
  if (!scope) problems.push(required('spec.scope'))
  else if (scope !== 'Namespaced' && scope !== 'Cluster') problems.push(notSupported('spec.scope', scope, ['Cluster', 'Namespaced']))
  if (spec.preserveUnknownFields) problems.push(invalid('spec.preserveUnknownFields', true, 'must be false'))
  if (conversion && conversion.strategy !== 'None') {
    problems.push(
      conversion.strategy === 'Webhook'
        ? forbidden('spec.conversion.strategy', 'conversion webhooks are not served: versions may differ in nothing but their schemas')
        : notSupported('spec.conversion.strategy', conversion.strategy, ['None', 'Webhook']),
    )
  }
  if (versions.length === 0) problems.push(required('spec.versions', 'must have at least one version'))
  if (new Set(versions.map(({ name }) => name)).size < versions.length) {
    problems.push(
      invalid(
        'spec.versions',
        versions.map(({ name }) => name),
        'must contain unique version names',
      ),
    )
  }
  if (versions.length > 0 && versions.filter(({ storage }) => storage).length !== 1) {
    problems.push(
      invalid(
        'spec.versions',
        versions.map(({ name }) => name),
        'must have exactly one version marked as storage version',
      ),
    )
  }
  for (const [i, version] of versions.entries()) problems.push(...versionProblems(version, `spec.versions[${i}]`))
  return problems
}

function namesProblems(names: CustomResourceDefinitionNames | undefined, path: string): FieldProblem[] {
  if (!names) return [required(path)]
  const { plural, singular, kind, listKind, shortNames = [], categories = [] } = names
  const label = (field: string, text: string): FieldProblem[] => invalidAll(`${path}.${field}`, text, checkDns1035Label(text.toLowerCase()))
  const lower = (field: string, text: string): FieldProblem[] => invalidAll(`${path}.${field}`, text, checkDns1035Label(text))
  return [
    ...(plural ? lower('plural', plural) : [required(`${path}.plural`)]),
    ...(kind ? label('kind', kind) : [required(`${path}.kind`)]),
    ...(singular ? lower('singular', singular) : []),
    ...(listKind ? label('listKind', listKind) : []),
    ...(kind && kind === listKind ? [invalid(`${path}.listKind`, listKind, 'kind and listKind may not be the same')] : []),
    ...shortNames.flatMap((name, i) => lower(`shortNames[${i}]`, name)),
    ...categories.flatMap((name, i) => lower(`categories[${i}]`, name)),
  ]
}

function versionProblems(version: CustomResourceDefinitionVersion, path: string): FieldProblem[] {
  const { name, schema, additionalPrinterColumns = [], selectableFields = [], subresources, deprecated, deprecationWarning } = version
  const problems: FieldProblem[] = name ? invalidAll(`${path}.name`, name, checkDns1035Label(name)) : [required(`${path}.name`)]
  if (!schema?.openAPIV3Schema) problems.push(required(`${path}.schema.openAPIV3Schema`, 'schemas are required'))
  else problems.push(...schemaProblems(schemaOfVersion(version), `${path}.schema.openAPIV3Schema`))
  if (deprecationWarning !== undefined && !deprecated) {
    problems.push(invalid(`${path}.deprecationWarning`, deprecationWarning, 'can only be set for deprecated versions'))
  }
  for (const [i, column] of additionalPrinterColumns.entries()) {
    const at = `${path}.additionalPrinterColumns[${i}]`
    if (!column.name) problems.push(required(`${at}.name`))
    if (!columnTypes.includes(column.type)) problems.push(notSupported(`${at}.type`, column.type, columnTypes))
    if (!column.jsonPath) problems.push(required(`${at}.jsonPath`))
    else if (!parseJsonPath(column.jsonPath)) problems.push(invalid(`${at}.jsonPath`, column.jsonPath, 'is an invalid path'))
  }
  if (selectableFields.length > mostSelectableFields) {
    problems.push(invalid(`${path}.selectableFields`, selectableFields.length, `must have at most ${mostSelectableFields} items`))
  }
  for (const [i, field] of selectableFields.entries())
    problems.push(...selectableProblems(version, field.jsonPath, `${path}.selectableFields[${i}].jsonPath`))
  if (new Set(selectableFields.map(({ jsonPath }) => jsonPath)).size < selectableFields.length) {
    problems.push(
      duplicate(
        `${path}.selectableFields`,
        selectableFields.map(({ jsonPath }) => jsonPath),
      ),
    )
  }
  const { scale } = subresources ?? {}
  if (scale) {
    const at = `${path}.subresources.scale`
    problems.push(
      ...scalePathProblems(`${at}.specReplicasPath`, scale.specReplicasPath, ['spec']),
      ...scalePathProblems(`${at}.statusReplicasPath`, scale.statusReplicasPath, ['status']),
      ...(scale.labelSelectorPath ? scalePathProblems(`${at}.labelSelectorPath`, scale.labelSelectorPath, ['spec', 'status']) : []),
    )
  }
  return problems
}

function scalePathProblems(field: string, path: string | undefined, roots: readonly string[]): FieldProblem[] {
  if (!path) return [required(field)]
  const names = parseFieldPath(path)
  if (!names) return [invalid(field, path, 'should be a json path with only named fields')]
  if (roots.includes(names[0]!)) return []
  return [invalid(field, path, `should be a json path under ${roots.map(root => `.${root}`).join(' or ')}`)]
}

function selectableProblems(version: CustomResourceDefinitionVersion, path: string, field: string): FieldProblem[] {
  const names = parseFieldPath(path)
  if (!names) return [invalid(field, path, 'is an invalid path: must be a simple path of field names')]
  if (names[0] === 'metadata') return [invalid(field, path, 'must not point to fields in metadata')]
  const found = names.reduce<StructuralSchema | undefined>((schema, name) => schema?.properties?.[name], schemaOfVersion(version))
  if (!found) return [invalid(field, path, 'is an invalid path: does not refer to a valid field')]
  if (['string', 'integer', 'boolean'].includes(found.type ?? '')) return []
  return [
    invalid(
      field,
      path,
      'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed',
    ),
  ]
}

/** True for definitions whose objects are served alike. */
export const servesAlike = (a: CustomResourceDefinition, b: CustomResourceDefinition): boolean =>
  jsonEqual(a.spec, b.spec) &&
  jsonEqual(a.status?.conditions, b.status?.conditions) &&
  jsonEqual(a.status?.acceptedNames, b.status?.acceptedNames) &&
  a.metadata?.uid === b.metadata?.uid
