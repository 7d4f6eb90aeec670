import { apiPathOf } from './api-resource.js'
import type { JsonObject } from './json.js'
import { listTypeOf, typeOfSubresource } from './openapi-schema.js'
import type { ResourceType } from './resource-type.js'

/** One request that the API takes, apart from how a version of OpenAPI writes it. */
export interface Operation {
  readonly path: string
  readonly method: 'get' | 'put' | 'post' | 'delete' | 'patch'
  /** Kubernetes' word for it, as `list`. */
  readonly action: string
  readonly gvk: JsonObject
  readonly pathParameters: readonly string[]
  readonly queryParameters: readonly QueryParameter[]
  /** Names of types. */
  readonly request: string | undefined
  readonly response: string
  readonly consumes: readonly string[]
}

export interface QueryParameter {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean'
}

const text = (...names: readonly string[]): QueryParameter[] => names.map(name => ({ name, type: 'string' }))
const writing = text('dryRun', 'fieldManager', 'fieldValidation')
const listing: readonly QueryParameter[] = [
  ...text('continue', 'fieldSelector', 'labelSelector', 'resourceVersion', 'resourceVersionMatch'),
  { name: 'limit', type: 'integer' },
  { name: 'timeoutSeconds', type: 'integer' },
  { name: 'watch', type: 'boolean' },
  { name: 'allowWatchBookmarks', type: 'boolean' },
  { name: 'sendInitialEvents', type: 'boolean' },
]
const deleting: readonly QueryParameter[] = [
  ...text('dryRun', 'propagationPolicy'),
  { name: 'gracePeriodSeconds', type: 'integer' },
  { name: 'orphanDependents', type: 'boolean' },
]
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const json = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']
const patches = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
]

/** Custom resources have no merge keys; clients look here to learn which patch they may send. */
const patchesOf = ({ custom }: ResourceType): readonly string[] => (custom ? patches.filter(type => !type.includes('strategic')) : patches)

/** Every operation on the rows. */
export const operationsOf = (rows: readonly ResourceType[]): Operation[] => rows.flatMap(operationsOfRow)

function operationsOfRow(row: ResourceType): Operation[] {
  const gvk = { group: row.group, version: row.version, kind: row.kind }
  const scope = row.namespaced ? ['namespace'] : []
  const collection = decodeURIComponent(apiPathOf(row, row.namespaced ? { namespace: '{namespace}' } : {}))
  const one = `${collection}/{name}`
  const object = { gvk, response: row.typePath, consumes: json, pathParameters: [...scope, 'name'] }
  const own: (Operation & { readonly verb: string })[] = [
    {
      ...object,
      verb: 'list',
      path: collection,
      method: 'get',
      action: 'list',
      pathParameters: scope,
      queryParameters: listing,
      request: undefined,
      response: listTypeOf(row),
    },
    {
      ...object,
      verb: 'create',
      path: collection,
      method: 'post',
      action: 'post',
      pathParameters: scope,
      queryParameters: writing,
      request: row.typePath,
    },
    {
      ...object,
      verb: 'deletecollection',
      path: collection,
      method: 'delete',
      action: 'deletecollection',
      pathParameters: scope,
      queryParameters: [...deleting, ...listing.filter(({ name }) => !name.includes('atch'))],
      request: `${meta}.DeleteOptions`,
      response: `${meta}.Status`,
    },
    { ...object, verb: 'get', path: one, method: 'get', action: 'get', queryParameters: [], request: undefined },
    { ...object, verb: 'update', path: one, method: 'put', action: 'put', queryParameters: writing, request: row.typePath },
    {
      ...object,
      verb: 'patch',
      path: one,
      method: 'patch',
      action: 'patch',
      queryParameters: [...writing, { name: 'force', type: 'boolean' }],
      request: row.typePath,
      consumes: patchesOf(row),
    },
    {
      ...object,
      verb: 'delete',
      path: one,
      method: 'delete',
      action: 'delete',
      queryParameters: deleting,
      request: `${meta}.DeleteOptions`,
      response: `${meta}.Status`,
    },
  ]
  const everywhere: Operation[] = row.namespaced ? [{ ...own[0]!, path: decodeURIComponent(apiPathOf(row)), pathParameters: [] }] : []
  return [
    ...own.filter(({ verb }) => row.verbs.includes(verb)),
    ...everywhere,
    ...row.subresources.flatMap(sub => operationsOfSubresource(row, sub, one, object.pathParameters)),
  ]
}

const methods = { get: 'get', update: 'put', patch: 'patch', create: 'post', delete: 'delete' } as const

function operationsOfSubresource(
  row: ResourceType,
  sub: ResourceType['subresources'][number],
  one: string,
  pathParameters: readonly string[],
): Operation[] {
  const type = typeOfSubresource(sub)[0] ?? row.typePath
  const gvk = { group: sub.group || row.group, version: sub.version || row.version, kind: sub.kind }
  return sub.verbs.flatMap(verb => {
    const method = methods[verb as keyof typeof methods]
    if (!method) return []
    const isRead = method === 'get'
    return [
      {
        path: `${one}/${sub.name}`,
        method,
        action: method,
        gvk,
        pathParameters,
        queryParameters: isRead ? [] : writing,
        request: isRead ? undefined : type,
        response: type,
        consumes: method === 'patch' ? patchesOf(row) : json,
      },
    ]
  })
}
