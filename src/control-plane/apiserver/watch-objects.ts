import type { ServerResponse } from 'node:http'

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

/** Upstream ends watches without a timeout after 30 to 60 minutes, so that load spreads. */
const shortestWatchMs = 30 * 60_000
const bookmarkEveryMs = 60_000
/** A reader that leaves more unread than this is cut off; it lists again. */
const mostBuffered = 16 * 1024 * 1024
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
  const write = (event: string | Buffer): void => {
    // Both kinds of response take either; their overloads share no common call.
    ;(response as ServerResponse).write(event)
    if (bufferedBy(response) > mostBuffered) response.destroy()
  }
  const bookmark = (annotations?: Readonly<Record<string, string>>): void => {
    const metadata = { resourceVersion: String(cache.revision), ...(annotations && { annotations }) }
    write(encode.bookmark({ kind: resource.kind, apiVersion: apiVersionOf(resource), metadata }))
  }
  const listener = ({ revision, current, previous }: CacheEvent): void => {
    if (!(current ?? previous)!.key.startsWith(prefix)) return
    const is = current !== undefined && filter(current.object)
    const was = previous !== undefined && filter(previous.object)
    if (is) write(encode.event(was ? 'MODIFIED' : 'ADDED', current))
    else if (was) write(encode.event('DELETED', current ? withRevision(previous, revision) : previous))
  }

  const collection = cache.collection(resource)
  const showsPresent = sendInitial ?? asked === 0
  let stop: () => void
  start(response)
  // From here to the subscription nothing may be awaited: an event in between would be lost.
  if (showsPresent) for (const object of collection.list(prefix)) if (filter(object.object)) write(encode.event('ADDED', object))
  if (sendInitial && wantsBookmarks) bookmark({ [initialEventsEnd]: 'true' })
  try {
    stop = collection.subscribe(showsPresent ? cache.revision : asked || cache.revision, listener)
  } catch (error) {
    // A watch that cannot begin has begun for its reader: the refusal is its only event.
    write(`${JSON.stringify({ type: 'ERROR', object: statusOf(error) })}\n`)
    response.end()
    return
  }

  await new Promise<void>(resolve => {
    const bookmarks = wantsBookmarks ? setInterval(bookmark, bookmarkEveryMs) : undefined
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
  if (wantsBookmarks && !response.destroyed && !signal.aborted) bookmark()
  response.end()
}

function start(response: ApiServerResponse): void {
  response.setHeader('content-type', jsonType)
  response.setHeader('cache-control', 'no-cache, private')
  // Clients wait for the headers before the first event. HTTP/2 sends them here, HTTP/1 when flushed.
  response.writeHead(200)
  if ('flushHeaders' in response) response.flushHeaders()
}

const bufferedBy = (response: ApiServerResponse): number =>
  'stream' in response ? response.stream.writableLength : response.writableLength

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
      event: (type, { bytes }) => Buffer.concat([Buffer.from(`{"type":"${type}","object":`), bytes, eventEnd]),
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
