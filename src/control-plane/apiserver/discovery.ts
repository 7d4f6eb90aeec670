import { apiVersionOf } from '../../api/api-resource.js'
import type { ResourceType } from '../../api/resource-type.js'
import { type Answer, jsonAnswer } from './answers.js'
import type { ApiServerRequest } from './authentication.js'
import { acceptedRanges } from './negotiation.js'

/** Answers `/api`, `/apis` and every group and group-version below them; undefined for other paths. */
export function discoveryAnswer(
  request: ApiServerRequest,
  path: string,
  { table, address }: { readonly table: readonly ResourceType[]; readonly address: string },
): Answer | undefined {
  const [, root, group, version, ...rest] = path.replace(/\/$/, '').split('/')
  if (rest.length > 0) return undefined
  if (root === 'api' && group === undefined) {
    return (
      aggregated(
        request,
        table.filter(row => row.group === ''),
      ) ?? jsonAnswer(coreVersions(table, address))
    )
  }
  if (root === 'api' && version === undefined) return resourceList(table, '', group!)
  if (root !== 'apis') return undefined
  const named = table.filter(row => row.group !== '')
  if (group === undefined) {
    return (
      aggregated(request, named) ??
      jsonAnswer({ kind: 'APIGroupList', apiVersion: 'v1', groups: groupsOf(named).map(name => groupOf(named, name)) })
    )
  }
  if (version !== undefined) return resourceList(table, group, version)
  return groupsOf(named).includes(group) ? jsonAnswer({ kind: 'APIGroup', apiVersion: 'v1', ...groupOf(named, group) }) : undefined
}

const unique = (texts: readonly string[]): string[] => [...new Set(texts)]
const groupsOf = (table: readonly ResourceType[]): string[] => unique(table.map(({ group }) => group))
const versionsOf = (table: readonly ResourceType[], group: string): string[] =>
  unique(table.filter(row => row.group === group).map(({ version }) => version))

const coreVersions = (table: readonly ResourceType[], address: string): object => ({
  kind: 'APIVersions',
  versions: versionsOf(table, ''),
  serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
})

function groupOf(table: readonly ResourceType[], group: string): object {
  const versions = versionsOf(table, group).map(version => ({ groupVersion: `${group}/${version}`, version }))
  return { name: group, versions, preferredVersion: versions[0] }
}

function resourceList(table: readonly ResourceType[], group: string, version: string): Answer | undefined {
  const rows = table.filter(row => row.group === group && row.version === version)
  if (rows.length === 0) return undefined
  const resources = rows.flatMap(row => [
    {
      name: row.resource,
      singularName: row.singular,
      namespaced: row.namespaced,
      kind: row.kind,
      verbs: row.verbs,
      ...(row.shortNames.length > 0 && { shortNames: row.shortNames }),
      ...(row.categories.length > 0 && { categories: row.categories }),
    },
    ...row.subresources.map(sub => ({
      name: `${row.resource}/${sub.name}`,
      singularName: '',
      namespaced: row.namespaced,
      ...(sub.group && { group: sub.group, version: sub.version }),
      kind: sub.kind,
      verbs: sub.verbs,
    })),
  ])
  return jsonAnswer({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf(rows[0]!), resources })
}

/** Everything in one answer, for clients that ask for it (KEP-3352); undefined for those that do not. */
function aggregated(request: ApiServerRequest, table: readonly ResourceType[]): Answer | undefined {
  const wanted = acceptedRanges(request).find(
    ({ type, parameters }) =>
      parameters.get('as') === 'APIGroupDiscoveryList' &&
      parameters.get('g') === 'apidiscovery.k8s.io' &&
      type === 'application/json' &&
      ['v2', 'v2beta1'].includes(parameters.get('v') ?? ''),
  )
  const first = acceptedRanges(request)[0]
  if (!wanted || first?.parameters.get('as') !== 'APIGroupDiscoveryList') return undefined
  const version = wanted.parameters.get('v')
  const items = groupsOf(table).map(group => ({
    metadata: group === '' ? {} : { name: group },
    versions: versionsOf(table, group).map(version => ({
      version,
      freshness: 'Current',
      resources: table.filter(row => row.group === group && row.version === version).map(discoveredResource),
    })),
  }))
  const list = { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items }
  return jsonAnswer(list, 200, `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
}

const discoveredResource = (row: ResourceType): object => ({
  resource: row.resource,
  responseKind: { group: row.group, version: row.version, kind: row.kind },
  scope: row.namespaced ? 'Namespaced' : 'Cluster',
  singularResource: row.singular,
  verbs: row.verbs,
  ...(row.shortNames.length > 0 && { shortNames: row.shortNames }),
  ...(row.categories.length > 0 && { categories: row.categories }),
  ...(row.subresources.length > 0 && {
    subresources: row.subresources.map(({ name, kind, group, version, verbs }) => ({
      subresource: name,
      responseKind: { group: group || row.group, version: version || row.version, kind },
      verbs,
    })),
  }),
})
