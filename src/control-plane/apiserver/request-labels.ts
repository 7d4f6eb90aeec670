import type { ApiServerRequest } from './authentication.js'
import { pathAndQuery, type RequestTarget } from './request-target.js'

/** How metrics name a request. */
export interface RequestLabels {
  readonly verb: string
  readonly dry_run: string
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly subresource: string
  readonly scope: string
  readonly component: string
  /** Open until somebody ends it, so its duration says nothing. */
  readonly isLasting: boolean
}

const lastingSubresources = new Set(['attach', 'exec', 'log', 'portforward', 'proxy'])
const connecting = new Set(['attach', 'exec', 'portforward', 'proxy'])
/** Paths that are no resource, but known; others share one name, since there is no end of them. */
const knownPath =
  /^\/(|api|apis|healthz|livez|readyz|metrics|version|openapi\/v2|openapi\/v3|openid\/v1\/jwks|\.well-known\/openid-configuration)$/

/** The labels of a request, by the rules of upstream's metrics. */
export function requestLabels(request: ApiServerRequest, target: RequestTarget | undefined): RequestLabels {
  const component = 'apiserver'
  const { path, query } = pathAndQuery(request)
  const method = request.method ?? 'GET'
  if (!target) {
    const subresource = knownPath.test(path) ? path : ''
    return { verb: method, dry_run: '', group: '', version: '', resource: '', subresource, scope: '', component, isLasting: false }
  }
  const { resource, namespace, name, subresource = '' } = target
  const verb = verbOf({ method, query, target, mediaType: request.headers['content-type'] ?? '' })
  const scope = name !== undefined || verb === 'POST' ? 'resource' : namespace === undefined ? 'cluster' : 'namespace'
  return {
    verb,
    dry_run: query.getAll('dryRun').includes('All') ? 'All' : '',
    group: resource.group,
    version: resource.version,
    resource: resource.resource,
    subresource,
    scope,
    component,
    isLasting: verb === 'WATCH' || lastingSubresources.has(subresource),
  }
}

interface Asked {
  readonly method: string
  readonly query: URLSearchParams
  readonly target: RequestTarget
  readonly mediaType: string
}

function verbOf({ method, query, target: { name, subresource = '' }, mediaType }: Asked): string {
  if (connecting.has(subresource)) return 'CONNECT'
  if (method === 'GET' || method === 'HEAD') {
    if (['true', '1'].includes(query.get('watch') ?? '')) return 'WATCH'
    return name === undefined ? 'LIST' : 'GET'
  }
  if (method === 'PATCH') return mediaType.startsWith('application/apply-patch') ? 'APPLY' : 'PATCH'
  if (method === 'DELETE') return name === undefined ? 'DELETECOLLECTION' : 'DELETE'
  return ['POST', 'PUT'].includes(method) ? method : 'other'
}
