import { apiVersionOf } from '../../api/api-resource.js'
import { forbidden } from '../../api/field-problem.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { badRequest, invalidObject, statusOf } from '../../api/status.js'
import type { Store } from '../store/store.js'
import { type ApiServerResponse, jsonType } from './answers.js'
import type { CacheEvent } from './collection.js'
import type { AnswerForm } from './negotiation.js'
import type { ObjectCache } from './object-cache.js'
import { collectionPrefix, type StoredObject, withRevision } from './object-codec.js'
import { objectFilter } from './object-filter.js'
import { booleanParameter, numberParameter, versionParameter } from './request-target.js'
import { type IncludeObject, partialMetadata, tableColumns, tableRow } from './tables.js'
import { createWatchSender } from './watch-sender.js'

/** Upstream ends watches without a timeout after 30 to 60 minutes, so that load spreads. */
const shortestWatchMs = 30 * 60_000
const bookmarkEveryMs = 60_000
const initialEventsEnd = 'k8s.io/initial-events-end'

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED'

interface WatchRequest {
  readonly resource: ResourceType
  readonly namespace: string | undefined
  readonly query: URLSearchParams
  readonly form: AnswerForm
  readonly include: IncludeObject
}

/** Streams what happens to a collection until the client goes, the time is over, or `signal` aborts. Throws before the first byte only. */
export async function watchObjects(
  { store, cache }: { readonly store: Store; readonly cache: ObjectCache },
  { resource, namespace, query, form, include }: WatchRequest,
  response: ApiServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const filter = objectFilter(resource, query) ?? (() => true)
  const prefix = collectionPrefix(resource, resource.namespaced ? namespace : undefined)
  const sendInitial = sendInitialEvents(resource, query)
  const wantsBookmarks = booleanParameter(query, 'allowWatchBookmarks')
  const seconds = numberParameter(query, 'timeoutSeconds')
  const timeoutMs = seconds ? seconds * 1000 : shortestWatchMs * (1 + Math.random())
  const asked = versionParameter(query) ?? 0
  const newest = await store.newest()
  await cache.reached(asked === 0 ? newest : Math.min(asked, newest))

  const encode = eventEncoder(resource, form, include)
  const bookmark = (annotations?: Readonly<Record<string, string>>): string => {
    const metadata = { resourceVersion: String(cache.revision), ...(annotations && { annotations }) }
    return encode.bookmark({ kind: resource.kind, apiVersion: apiVersionOf(resource), metadata })
  }
  const listener = ({ revision, current, previous }: CacheEvent): void => {
    if (!(current ?? previous)!.key.startsWith(prefix)) return
    const is = current !== undefined && filter(current.object)
    const was = previous !== undefined && filter(previous.object)
    if (is) sender.push(encode.event(was ? 'MODIFIED' : 'ADDED', current))
    else if (was) sender.push(encode.event('DELETED', current ? withRevision(previous, revision) : previous))
  }

  const collection = cache.collection(resource)
  const showsPresent = sendInitial ?? asked === 0
  let stop: () => void
  start(response)
  const sender = createWatchSender(response)
  // From here to the subscription nothing may be awaited: an event in between would be lost.
  if (showsPresent) {
    const present = collection.list(prefix).filter(({ object }) => filter(object))
    const events = present.map(object => () => encode.event('ADDED', object))
    const end = sendInitial && wantsBookmarks ? bookmark({ [initialEventsEnd]: 'true' }) : undefined
    sender.present(end === undefined ? events : [...events, () => end])
  }
  try {
    stop = collection.subscribe(showsPresent ? cache.revision : asked || cache.revision, listener)
    sender.goLive()
  } catch (error) {
    // A watch that cannot begin has begun for its reader: the refusal is its only event.
    sender.push(`${JSON.stringify({ type: 'ERROR', object: statusOf(error) })}\n`)
    sender.end()
    return
  }

  await new Promise<void>(resolve => {
    const bookmarks = wantsBookmarks ? setInterval(() => sender.push(bookmark()), bookmarkEveryMs) : undefined
    const end = (): void => {
      clearInterval(bookmarks)
      clearTimeout(timeout)
      signal.removeEventListener('abort', end)
      response.off('close', end)
      resolve()
    }
    const timeout = setTimeout(end, timeoutMs)
    signal.addEventListener('abort', end)
    response.on('close', end)
    if (signal.aborted) end()
  })
  stop()
  if (wantsBookmarks && !response.destroyed && !signal.aborted) sender.push(bookmark())
  sender.end()
}

function start(response: ApiServerResponse): void {
  response.setHeader('content-type', jsonType)
  response.setHeader('cache-control', 'no-cache, private')
  // Clients wait for the headers before the first event. HTTP/2 sends them here, HTTP/1 when flushed.
  response.writeHead(200)
  if ('flushHeaders' in response) response.flushHeaders()
}

/** True or false when the reader says whether the present state is to come first; undefined leaves it to the resourceVersion. */
function sendInitialEvents(resource: ResourceType, query: URLSearchParams): boolean | undefined {
  const text = query.get('sendInitialEvents')
  const match = query.get('resourceVersionMatch')
  if (text === null || text === '') {
    if (match) {
      throw invalidObject(listOptions(resource), '', [
        forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'),
      ])
    }
    return undefined
  }
  if (match !== 'NotOlderThan') {
    throw invalidObject(listOptions(resource), '', [
      forbidden('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'),
    ])
  }
  if (text !== 'true' && text !== 'false')
    throw badRequest(`the parameter sendInitialEvents must be true or false, not ${JSON.stringify(text)}`)
  return text === 'true'
}

const listOptions = ({ resource }: ResourceType) => ({ group: 'meta.k8s.io', resource, kind: 'ListOptions' })

interface EventEncoder {
  event(type: EventType, stored: StoredObject): Buffer | string
  bookmark(object: KubeObject): string
}

function eventEncoder(resource: ResourceType, form: AnswerForm, include: IncludeObject): EventEncoder {
  const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`
  if (form === 'object') {
    return {
      event: sharedLine,
      bookmark: object => line('BOOKMARK', object),
    }
  }
  if (form === 'metadata') {
    return {
      event: (type, { object }) => line(type, partialMetadata(object)),
      bookmark: object => line('BOOKMARK', partialMetadata(object)),
    }
  }
  // The columns come once, with the first event.
  let columnDefinitions: object[] | undefined = tableColumns(resource)
  const asTable = (object: KubeObject, rows: object[]): object => {
    const { resourceVersion } = object.metadata ?? {}
    const table = {
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      metadata: { resourceVersion },
      columnDefinitions: columnDefinitions ?? null,
      rows,
    }
    columnDefinitions = undefined
    return table
  }
  return {
    event: (type, { object }) => line(type, asTable(object, [tableRow(resource, object, include, Date.now())])),
    bookmark: object => line('BOOKMARK', asTable(object, [])),
  }
}

const eventEnd = Buffer.from('}\n')
const lines = new WeakMap<StoredObject, Partial<Record<EventType, Buffer>>>()

/** All readers of an event that ask for whole objects get the same bytes, made once. */
function sharedLine(type: EventType, stored: StoredObject): Buffer {
  const known = lines.get(stored) ?? {}
  lines.set(stored, known)
  known[type] ??= Buffer.concat([Buffer.from(`{"type":"${type}","object":`), stored.bytes, eventEnd])
  return known[type]
}
