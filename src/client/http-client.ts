import { constants } from 'node:http2'
import { type ApiResource, apiPathOf, apiVersionOf, type ObjectKey } from '../api/api-resource.js'
import type { Status } from '../api/generated/types.js'
import { PodwireError } from '../base/errors/podwire-error.js'
import { withTimeLimit } from '../base/time/time-limit.js'
import type { ApiObject, Client, ListOptions, ObjectList, PatchOptions, WatchEvent, WatchOptions } from './client.js'
import type { ClientConfig } from './client-config.js'
import { HttpConnection } from './http-connection.js'
import { errorOfAnswer, errorOfStatus } from './status.js'

/** How long any request but a watch may take. */
const requestTimeoutMs = 60_000

const patchTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const satisfies Record<PatchOptions['type'], string>

/** A client over one HTTP/2 connection, which is opened with the first request. Close it, or it keeps the process alive. */
export function createClient(config: ClientConfig): Client {
  const connection = new HttpConnection(config)

  async function send(
    method: string,
    path: string,
    signal: AbortSignal | undefined,
    payload?: { readonly body: unknown; readonly contentType?: string },
  ): Promise<string> {
    const request = {
      method,
      path,
      ...(payload === undefined ? {} : { body: JSON.stringify(payload.body), contentType: payload.contentType ?? 'application/json' }),
    }
    return withTimeLimit({ ms: requestTimeoutMs, signal }, async (limited, isOver) => {
      try {
        const answer = await connection.open(request, limited)
        const body = await connection.readAll(answer, limited)
        if (answer.status >= 400) throw errorOfAnswer({ status: answer.status, body }, `${method} ${path}`)
        return body
      } catch (error) {
        if (!isOver()) throw error
        throw new PodwireError(
          'API_UNREACHABLE',
          `${method} ${path}: ${config.server} gave no answer within ${requestTimeoutMs / 1000} s`,
          {
            cause: error,
          },
        )
      }
    })
  }

  /** Where an object goes: its own namespace, else the client's. */
  const placeOf = (resource: ApiResource, object: ApiObject): string | undefined =>
    resource.namespaced ? (object.metadata?.namespace ?? config.namespace ?? 'default') : undefined

  const keyOf = (resource: ApiResource, object: ApiObject): ObjectKey => ({
    namespace: placeOf(resource, object),
    name: object.metadata?.name ?? '',
  })

  const complete = <T extends ApiObject>(resource: ApiResource<T>, object: T): T => ({
    ...object,
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
  })

  return {
    server: config.server,

    async get<T extends ApiObject>(resource: ApiResource<T>, at: ObjectKey, signal?: AbortSignal): Promise<T> {
      return JSON.parse(await send('GET', apiPathOf(resource, at), signal)) as T
    },

    async list<T extends ApiObject>(resource: ApiResource<T>, options: ListOptions = {}, signal?: AbortSignal): Promise<ObjectList<T>> {
      const list = JSON.parse(await send('GET', collectionPath(resource, options), signal)) as Partial<ObjectList<T>>
      // Items of a list come without what the list says once; readers should not have to know where an object came from.
      const items = (list.items ?? []).map(item => complete(resource, item))
      return { metadata: list.metadata ?? {}, items }
    },

    async *watch<T extends ApiObject>(
      resource: ApiResource<T>,
      options: WatchOptions,
      signal: AbortSignal,
    ): AsyncGenerator<WatchEvent<T>, void, undefined> {
      const path = collectionPath(resource, { ...options, watch: true })
      const answer = await connection.open({ method: 'GET', path }, signal)
      if (answer.status >= 400) {
        throw errorOfAnswer({ status: answer.status, body: await connection.readAll(answer, signal) }, `GET ${path}`)
      }
      try {
        for await (const line of connection.readLines(answer, signal)) {
          const event = JSON.parse(line) as WatchEvent<T> | { readonly type: 'ERROR'; readonly object: Status }
          if (event.type === 'ERROR') throw errorOfStatus(event.object, `GET ${path}`)
          yield event
        }
      } finally {
        answer.stream.close(constants.NGHTTP2_CANCEL)
      }
    },

    async create<T extends ApiObject>(resource: ApiResource<T>, object: T, signal?: AbortSignal): Promise<T> {
      const path = apiPathOf(resource, { namespace: placeOf(resource, object) })
      return JSON.parse(await send('POST', path, signal, { body: complete(resource, object) })) as T
    },

    async createSub<R>(resource: ApiResource, at: ObjectKey, subresource: string, body: unknown, signal?: AbortSignal): Promise<R> {
      return JSON.parse(await send('POST', `${apiPathOf(resource, at)}/${subresource}`, signal, { body })) as R
    },

    async update<T extends ApiObject>(resource: ApiResource<T>, object: T, signal?: AbortSignal): Promise<T> {
      const path = apiPathOf(resource, keyOf(resource, object))
      return JSON.parse(await send('PUT', path, signal, { body: complete(resource, object) })) as T
    },

    async updateStatus<T extends ApiObject>(resource: ApiResource<T>, object: T, signal?: AbortSignal): Promise<T> {
      const path = `${apiPathOf(resource, keyOf(resource, object))}/status`
      return JSON.parse(await send('PUT', path, signal, { body: complete(resource, object) })) as T
    },

    async patch<T extends ApiObject>(
      resource: ApiResource<T>,
      at: ObjectKey,
      body: unknown,
      options: PatchOptions,
      signal?: AbortSignal,
    ): Promise<T> {
      const subresource = options.subresource === undefined ? '' : `/${options.subresource}`
      const query = queryText({ fieldManager: options.fieldManager, force: options.force })
      const path = `${apiPathOf(resource, at)}${subresource}${query}`
      return JSON.parse(await send('PATCH', path, signal, { body, contentType: patchTypes[options.type] })) as T
    },

    async delete(resource, at, options = {}, signal) {
      const { uid, ...rest } = options
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...rest, ...(uid === undefined ? {} : { preconditions: { uid } }) }
      await send('DELETE', apiPathOf(resource, at), signal, { body })
    },

    raw: (method, path, body, signal) => send(method, path, signal, body === undefined ? undefined : { body }),

    close: () => connection.close(),
  }
}

function collectionPath(resource: ApiResource, { namespace, ...query }: WatchOptions & { readonly watch?: boolean }): string {
  return `${apiPathOf(resource, { namespace })}${queryText(query)}`
}

/** `?a=1&b=2` of the values that are given. */
function queryText(values: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(values)) if (value !== undefined) query.set(key, String(value))
  return query.size === 0 ? '' : `?${query}`
}
