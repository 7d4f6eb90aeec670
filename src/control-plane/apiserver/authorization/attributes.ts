import { badRequest } from '../../../api/status.js'
import type { User } from '../authentication.js'

/** What a request wants to do, as far as its line tells: what authorization decides upon. */
export interface Attributes {
  readonly user: User
  /** `get`, `list`, `watch`, `create`, `deletecollection` …; for paths that are no resources the HTTP method in lower case. */
  readonly verb: string
  /** Undefined for a path that names no resource. */
  readonly resource: ResourceAttributes | undefined
  readonly path: string
}

export interface ResourceAttributes {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly subresource: string
  /** Empty at the cluster scope. */
  readonly namespace: string
  /** Empty for a collection. */
  readonly name: string
  /** What a list or watch is narrowed to by `field=value`. */
  readonly selectedFields?: Readonly<Record<string, string>>
}

const verbs: Readonly<Record<string, string>> = { POST: 'create', GET: 'get', HEAD: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }
/** Subresources of the Namespace itself; anything else behind a namespace's name lives in it. */
const namespaceSubresources = new Set(['status', 'finalize'])

interface RequestLine {
  readonly user: User
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
}

/**
 * Reads a request's line by the shape of its path alone, whether or not such a resource is served: who may not do a thing does not learn
 * whether it exists. Source: apiserver, pkg/endpoints/request/requestinfo.go.
 */
export function attributesOf({ user, method, path, query }: RequestLine): Attributes {
  const parts = path.split('/').filter(part => part !== '')
  const [root] = parts
  const prefix = root === 'api' ? 2 : root === 'apis' ? 3 : Number.POSITIVE_INFINITY
  if (parts.length <= prefix) return { user, verb: method.toLowerCase(), resource: undefined, path }
  const [group = '', version = ''] = root === 'api' ? ['', parts[1]] : [parts[1], parts[2]]
  const rest = parts.slice(prefix).map(decoded)

  let namespace = ''
  let own = rest
  if (rest[0] === 'namespaces' && rest.length > 1) {
    namespace = rest[1]!
    if (rest.length > 2 && !namespaceSubresources.has(rest[2]!)) own = rest.slice(2)
  }
  const [resource = '', given = '', subresource = ''] = own
  const selectedFields = given === '' ? selected(query.get('fieldSelector') ?? '') : {}
  const name = given || (selectedFields['metadata.name'] ?? '')
  const verb = verbs[method] ?? method.toLowerCase()
  return {
    user,
    verb: given === '' ? collectionVerb(verb, query) : verb,
    resource: { group, version, resource, subresource, namespace, name, selectedFields },
    path,
  }
}

function collectionVerb(verb: string, query: URLSearchParams): string {
  if (verb === 'delete') return 'deletecollection'
  if (verb !== 'get') return verb
  return ['true', '1'].includes(query.get('watch') ?? '') ? 'watch' : 'list'
}

/** The fields that a selector fixes; `!=` fixes nothing. */
function selected(text: string): Readonly<Record<string, string>> {
  const terms = text.split(',').flatMap(term => {
    const [, field, value] = /^\s*([^=!\s]+)==?([^=]*)$/.exec(term) ?? []
    return field === undefined ? [] : [[field, value ?? ''] as const]
  })
  return Object.fromEntries(terms)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw badRequest(`the path segment ${JSON.stringify(text)} is not a valid escape`, error)
  }
}
