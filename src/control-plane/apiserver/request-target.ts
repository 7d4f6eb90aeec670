import type { ResourceType } from '../../api/resource-type.js'
import { badRequest } from '../../api/status.js'

/** What a path of the API names. */
export interface RequestTarget {
  readonly resource: ResourceType
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
}

/** The path as it was sent and the query. No URL is parsed: `//host/` would be one, and `..` would mean something. */
export function pathAndQuery({ url = '/' }: { readonly url?: string | undefined }): {
  readonly path: string
  readonly query: URLSearchParams
} {
  const at = url.indexOf('?')
  return at < 0 ? { path: url, query: new URLSearchParams() } : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) }
}

/** Finds the resource of a path such as `/apis/apps/v1/namespaces/shop/deployments/web/scale`; undefined when it names none. */
export function parseTarget(path: string, table: readonly ResourceType[]): RequestTarget | undefined {
  const parts = path.split('/').slice(1)
  if (parts.at(-1) === '') parts.pop()
  const [root] = parts
  if (root !== 'api' && root !== 'apis') return undefined
  const [group, version, ...rest] = root === 'api' ? ['', ...parts.slice(1)] : parts.slice(1)
  const decoded = rest.map(decodeSegment)
  const find = (resource: string | undefined, namespaced: boolean): ResourceType | undefined =>
    table.find(row => row.group === group && row.version === version && row.resource === resource && row.namespaced === namespaced)

  const inNamespace = decoded[0] === 'namespaces' && decoded.length >= 3 ? find(decoded[2], true) : undefined
  if (inNamespace && decoded.length <= 5) {
    return { resource: inNamespace, namespace: decoded[1], name: decoded[3], subresource: decoded[4] }
  }
  const resource = find(decoded[0], false) ?? (decoded.length === 1 ? find(decoded[0], true) : undefined)
  if (!resource || decoded.length > 3) return undefined
  return { resource, namespace: undefined, name: decoded[1], subresource: decoded[2] }
}

function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw badRequest(`the path segment ${JSON.stringify(text)} is not a valid escape`, error)
  }
}

/** A query parameter that must be a number that is not negative. */
export function numberParameter(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`the parameter ${name} must be a number, not ${JSON.stringify(text)}`)
  return Number(text)
}

/** The resourceVersion of a query. Throws 400 for what no store has given. */
export function versionParameter(query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion')
  if (text === null || text === '') return undefined
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`resourceVersion: Invalid value: ${JSON.stringify(text)}: must be a version that this server gave`)
  return Number(text)
}

export const booleanParameter = (query: URLSearchParams, name: string): boolean => ['true', '1'].includes(query.get(name) ?? '')
