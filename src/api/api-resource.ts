/** Where a kind of object lives in the API. `T` is the object's type; it exists for the compiler only. */
export interface ApiResource<T = unknown> {
  /** The API group; empty for the core group. */
  readonly group: string
  readonly version: string
  /** The plural name used in paths, as `pods`. */
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  /** The name of the object's type in the API facts, as `io.k8s.api.core.v1.Pod`. */
  readonly typePath: string
  readonly __object?: T
}

/** A namespace and a name; cluster-scoped objects have no namespace. */
export interface ObjectKey {
  readonly namespace?: string | undefined
  readonly name: string
}

/** `apiVersion` of a resource: `v1`, `apps/v1`. */
export const apiVersionOf = (resource: ApiResource): string =>
  resource.group === '' ? resource.version : `${resource.group}/${resource.version}`

/** The path of a resource's collection, or of one object in it (RFC 3986 escaped). */
export function apiPathOf(
  resource: ApiResource,
  at: { readonly namespace?: string | undefined; readonly name?: string | undefined } = {},
): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`
  const namespace = resource.namespaced && at.namespace !== undefined ? `/namespaces/${encodeURIComponent(at.namespace)}` : ''
  const name = at.name === undefined ? '' : `/${encodeURIComponent(at.name)}`
  return `${root}${namespace}/${resource.resource}${name}`
}
