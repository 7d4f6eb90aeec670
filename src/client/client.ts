import type { ApiResource, ObjectKey } from '../api/api-resource.js'
import type { ListMeta, ObjectMeta } from '../api/generated/types.js'

/** Any object the API serves. */
export interface ApiObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: ObjectMeta
}

export interface ObjectList<T> {
  readonly metadata: ListMeta
  readonly items: readonly T[]
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: ApiObject }

export interface ListOptions {
  /** All namespaces when absent. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly limit?: number
  readonly continue?: string
  readonly resourceVersion?: string
}

export interface WatchOptions extends ListOptions {
  readonly allowWatchBookmarks?: boolean
  readonly timeoutSeconds?: number
}

export type Subresource = 'status' | 'scale' | 'binding' | 'token'

export interface PatchOptions {
  readonly type: 'json' | 'merge' | 'strategic' | 'apply'
  readonly subresource?: Subresource
  readonly fieldManager?: string
  readonly force?: boolean
}

export interface DeleteOptions {
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
  readonly gracePeriodSeconds?: number
  /** Deletes only the object with this UID. */
  readonly uid?: string
}

/**
 * A typed client of a Kubernetes API server.
 *
 * Errors: API_REFUSED with the server's Status as `cause` (see statusOf in status.ts), NOT_FOUND, ALREADY_EXISTS, CONFLICT and
 * REVISION_TOO_OLD for the answers 404, 409 AlreadyExists, 409 Conflict and 410; API_UNREACHABLE when no answer came.
 */
export interface Client {
  readonly server: string
  get<T extends ApiObject>(resource: ApiResource<T>, at: ObjectKey, signal?: AbortSignal): Promise<T>
  list<T extends ApiObject>(resource: ApiResource<T>, options?: ListOptions, signal?: AbortSignal): Promise<ObjectList<T>>
  /** Ends without error when the server closes the watch; the caller goes on from the last resourceVersion seen. */
  watch<T extends ApiObject>(resource: ApiResource<T>, options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent<T>>
  create<T extends ApiObject>(resource: ApiResource<T>, object: T, signal?: AbortSignal): Promise<T>
  /** POSTs to a subresource, as `binding` of a Pod or `token` of a ServiceAccount. */
  createSub<R>(resource: ApiResource, at: ObjectKey, subresource: Subresource, body: unknown, signal?: AbortSignal): Promise<R>
  update<T extends ApiObject>(resource: ApiResource<T>, object: T, signal?: AbortSignal): Promise<T>
  updateStatus<T extends ApiObject>(resource: ApiResource<T>, object: T, signal?: AbortSignal): Promise<T>
  patch<T extends ApiObject>(
    resource: ApiResource<T>,
    at: ObjectKey,
    body: unknown,
    options: PatchOptions,
    signal?: AbortSignal,
  ): Promise<T>
  delete(resource: ApiResource, at: ObjectKey, options?: DeleteOptions, signal?: AbortSignal): Promise<void>
  /** A request by path, for what has no type: `/version`, `/readyz`. Returns the body as text. */
  raw(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<string>
  close(): void
}
