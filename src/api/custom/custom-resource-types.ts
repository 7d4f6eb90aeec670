import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../generated/types.js'
import { type JsonObject, type JsonValue, jsonEqual } from '../json.js'
import type { CustomBehaviour, KubeObject, ResourceType, ScalePaths, Strategy } from '../resource-type.js'
import type { SubresourceFacts } from '../schema.js'
import { plainStrategy } from '../strategies/plain-strategy.js'
import { customColumns } from './custom-columns.js'
import { resourceFieldSchema } from './custom-field-schema.js'
import { customOpenApi, customTypePath } from './custom-openapi.js'
import { setSchemaDefaults } from './default-values.js'
import { schemaOfVersion } from './definition-strategy.js'
import { parseFieldPath, parseJsonPath } from './json-path.js'
import { pruneObject } from './prune-value.js'
import type { StructuralSchema } from './structural-schema.js'
import { validateValue } from './validate-value.js'
import { byVersionPriority } from './version-priority.js'

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const subresourceVerbs = ['get', 'patch', 'update']

const isTrue = ({ status }: CustomResourceDefinition, type: string): boolean =>
  status?.conditions?.some(condition => condition.type === type && condition.status === 'True') ?? false

/** The rows of an established definition: one a served version, the most stable first. None before it is established. */
export function customResourceTypes(definition: CustomResourceDefinition): readonly ResourceType[] {
  if (!isTrue(definition, 'Established')) return []
  return definition.spec.versions
    .filter(({ served }) => served)
    .sort((a, b) => byVersionPriority(a.name, b.name))
    .map(version => rowOf(definition, version))
}

function rowOf(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion): ResourceType {
  const { group, scope, names, versions } = definition.spec
  const { shortNames = [], categories = [], singular = names.kind.toLowerCase() } = definition.status?.acceptedNames ?? names
  const { kind, plural, listKind = `${kind}List` } = names
  const schema = schemaOfVersion(version)
  const typePath = customTypePath({ group, version: version.name, kind })
  const scale = scalePathsOf(version)
  const custom: CustomBehaviour = {
    schema: resourceFieldSchema(schema),
    storageVersion: versions.find(({ storage }) => storage)!.name,
    listKind,
    ...(scale && { scale }),
    decode(value) {
      const { value: object, unknownFields, problem } = pruneObject(value, schema)
      return { object, unknownFields, problem }
    },
    serve: object => served(object, schema, `${group}/${version.name}`),
    openApi: openApi => customOpenApi({ group, version: version.name, kind, listKind, typePath, schema }, openApi),
  }
  return {
    group,
    version: version.name,
    resource: plural,
    kind,
    singular,
    warnings: warningsOf(definition, version),
    namespaced: scope === 'Namespaced',
    typePath,
    shortNames,
    categories,
    // Objects of a definition that goes may go, and no more may come.
    verbs: isTrue(definition, 'Terminating') ? verbs.filter(verb => verb !== 'create') : verbs,
    subresources: subresourcesOf(version, kind),
    strategy: strategyOf(version, schema),
    columns: customColumns(version.additionalPrinterColumns),
    custom,
  }
}

function subresourcesOf({ subresources = {} }: CustomResourceDefinitionVersion, kind: string): readonly SubresourceFacts[] {
  return [
    ...(subresources.status ? [{ name: 'status', kind, verbs: subresourceVerbs }] : []),
    ...(subresources.scale ? [{ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: subresourceVerbs }] : []),
  ]
}

function scalePathsOf({ subresources }: CustomResourceDefinitionVersion): ScalePaths | undefined {
  const { scale } = subresources ?? {}
  return (
    scale && {
      specReplicas: parseFieldPath(scale.specReplicasPath) ?? [],
      statusReplicas: parseFieldPath(scale.statusReplicasPath) ?? [],
      labelSelector: parseFieldPath(scale.labelSelectorPath ?? ''),
    }
  )
}

function strategyOf({ selectableFields = [] }: CustomResourceDefinitionVersion, schema: StructuralSchema): Strategy<KubeObject> {
  const selectable = selectableFields.map(({ jsonPath }) => [jsonPath.replace(/^\./, ''), parseJsonPath(jsonPath)] as const)
  const textOf = (value: JsonValue | undefined): string => (value === undefined || value === null ? '' : String(value))
  return {
    ...plainStrategy,
    hasGeneration: true,
    setDefaults: object => setSchemaDefaults(object as unknown as JsonObject, schema),
    validate: object => validateValue(object as unknown as JsonObject, schema),
    selectableFields: object =>
      Object.fromEntries(selectable.map(([name, path]) => [name, textOf(path?.(object as unknown as JsonObject)[0])])),
  }
}

/** What is stored may be older than the schema, or of another version: both differ in nothing but their schemas. */
function served(object: JsonObject, schema: StructuralSchema, apiVersion: string): JsonObject {
  const { value } = pruneObject(object, schema)
  setSchemaDefaults(value, schema)
  if (value.apiVersion === apiVersion && jsonEqual(value, object)) return object
  const { kind, apiVersion: _, metadata, ...rest } = value
  return { kind: kind!, apiVersion, metadata: metadata!, ...rest }
}

/** What clients of a deprecated version are told (apiextensions, pkg/apiserver/customresource_handler.go). */
function warningsOf({ spec }: CustomResourceDefinition, version: CustomResourceDefinitionVersion): readonly string[] {
  if (!version.deprecated) return []
  if (version.deprecationWarning !== undefined) return [version.deprecationWarning]
  const newer = spec.versions
    .filter(other => other.served && !other.deprecated && byVersionPriority(other.name, version.name) < 0)
    .sort((a, b) => byVersionPriority(a.name, b.name))[0]
  const { kind } = spec.names
  const instead = newer ? `; use ${spec.group}/${newer.name} ${kind}` : ''
  return [`${spec.group}/${version.name} ${kind} is deprecated${instead}`]
}
