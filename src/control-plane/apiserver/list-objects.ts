import { apiVersionOf } from '../../api/api-resource.js'
import { type FieldProblem, forbidden, notSupported } from '../../api/field-problem.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { badRequest, expired, invalidObject, tooLargeVersion } from '../../api/status.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { Store } from '../store/store.js'
import { type Answer, bytesAnswer, jsonAnswer } from './answers.js'
import type { AnswerForm } from './negotiation.js'
import type { ObjectCache } from './object-cache.js'
import { collectionPrefix, decodeServed, type StoredObject } from './object-codec.js'
import { type ObjectFilter, objectFilter } from './object-filter.js'
import { numberParameter, versionParameter } from './request-target.js'
import { type IncludeObject, partialMetadata, table } from './tables.js'

/** One page of a collection. */
export interface Page {
  readonly revision: number
  readonly objects: readonly StoredObject[]
  readonly continue?: string
  readonly remainingItemCount?: number
}

/** What a continue token carries: the revision of the first page, 0 for whatever is there when it is used, and the last key it has given. */
interface ContinueToken {
  readonly rv: number
  readonly after: string
}

interface Parts {
  readonly store: Store
  readonly cache: ObjectCache
}

interface Collection {
  readonly resource: ResourceType
  readonly namespace: string | undefined
  readonly query: URLSearchParams
}

/** Lists a collection: as it is from the cache; at a revision, and pages after the first, from the store as it was then. */
export async function listObjects({ store, cache }: Parts, { resource, namespace, query }: Collection): Promise<Page> {
  const filter = objectFilter(resource, query)
  const reading: Reading = {
    resource,
    prefix: collectionPrefix(resource, resource.namespaced ? namespace : undefined),
    filter: filter ?? (() => true),
    limit: numberParameter(query, 'limit') || undefined,
    // What is left is counted before selection, so with a selector nobody can tell.
    tellsRemaining: filter === undefined,
  }
  const { revision, isExact, continues } = listVersion(resource, query, reading.limit !== undefined)
  if (continues && continues.rv > 0) return storedPage(store, reading, continues)
  if (isExact) {
    if (revision > (await store.newest())) throw tooLargeVersion(revision, store.revision)
    return storedPage(store, reading, { rv: revision, after: '' })
  }
  await cache.current()
  if (revision > cache.revision) throw tooLargeVersion(revision, cache.revision)
  const after = continues?.after ?? ''
  const all = cache.collection(resource).list(reading.prefix)
  return page(reading, { all: after === '' ? all : all.filter(({ key }) => key > after), beyond: 0, revision: cache.revision })
}

interface ListVersion {
  /** 0 when any will do. */
  readonly revision: number
  readonly isExact: boolean
  readonly continues?: ContinueToken | undefined
}

/** Which state a list asks for. Throws 400 or 422 for what does not go together (Kubernetes documentation, API concepts). */
function listVersion(resource: ResourceType, query: URLSearchParams, isLimited: boolean): ListVersion {
  const match = query.get('resourceVersionMatch') ?? ''
  const token = query.get('continue') ?? ''
  const revision = versionParameter(query)
  const refuse = (problem: FieldProblem) =>
    invalidObject({ group: 'meta.k8s.io', resource: resource.resource, kind: 'ListOptions' }, '', [problem])
  const refuseMatch = (why: string) => refuse(forbidden('resourceVersionMatch', `resourceVersionMatch is forbidden ${why}`))
  if (query.get('sendInitialEvents')) throw refuse(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
  if (match !== '') {
    if (revision === undefined) throw refuseMatch('unless resourceVersion is provided')
    if (token !== '') throw refuseMatch('when continue is provided')
    if (match !== 'Exact' && match !== 'NotOlderThan') throw refuse(notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan']))
    if (match === 'Exact' && revision === 0) {
      throw refuse(forbidden('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    }
  }
  if (token !== '') {
    if (revision) throw badRequest('specifying resource version is not allowed when using continue')
    return { revision: 0, isExact: false, continues: parseToken(token) }
  }
  // Without a word on it, pages begin at the version that is named.
  const isExact = match === 'Exact' || (match === '' && isLimited && revision !== undefined && revision > 0)
  return { revision: revision ?? 0, isExact }
}

interface Reading {
  readonly resource: ResourceType
  readonly prefix: string
  readonly filter: ObjectFilter
  readonly limit: number | undefined
  readonly tellsRemaining: boolean
}

async function storedPage(store: Store, reading: Reading, { rv, after }: ContinueToken): Promise<Page> {
  try {
    const { limit } = reading
    const range = { revision: rv, ...(after !== '' && { after }), ...(reading.tellsRemaining && limit !== undefined && { limit }) }
    const { entries, remaining } = await store.list(reading.prefix, range)
    const all = entries.map(entry => decodeServed(reading.resource, entry))
    return page(reading, { all, beyond: remaining, revision: rv })
  } catch (error) {
    if (isPodwireError(error, 'REVISION_TOO_OLD')) {
      if (after === '') throw expired('The resourceVersion for the provided list is too old.')
      throw expired(tokenTooOld, tokenText({ rv: 0, after }))
    }
    if (isPodwireError(error, 'CONFLICT')) throw tooLargeVersion(rv, store.revision)
    throw error
  }
}

const tokenTooOld =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'

interface Found {
  readonly all: readonly StoredObject[]
  /** How many follow that were not read. */
  readonly beyond: number
  readonly revision: number
}

function page({ filter, limit, tellsRemaining }: Reading, { all, beyond, revision }: Found): Page {
  const objects = all.filter(({ object }) => filter(object))
  if (limit === undefined || objects.length + beyond <= limit) return { revision, objects }
  const shown = objects.slice(0, limit)
  return {
    revision,
    objects: shown,
    continue: tokenText({ rv: revision, after: shown.at(-1)!.key }),
    ...(tellsRemaining && { remainingItemCount: objects.length + beyond - limit }),
  }
}

const tokenText = (token: ContinueToken): string => Buffer.from(JSON.stringify(token)).toString('base64url')

function parseToken(text: string): ContinueToken {
  try {
    const token: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (typeof token === 'object' && token !== null && 'rv' in token && 'after' in token) {
      const { rv, after } = token
      if (typeof rv === 'number' && Number.isSafeInteger(rv) && rv >= 0 && typeof after === 'string') return { rv, after }
    }
  } catch {
    // Falls through: whatever it is, it is none of our tokens.
  }
  throw badRequest('continue key is not valid')
}

/** The page as the requested kind of list; object bytes are joined, never serialised again. */
export function listAnswer(
  resource: ResourceType,
  page: Page,
  { form, include }: { readonly form: AnswerForm; readonly include: IncludeObject },
): Answer {
  const metadata = {
    resourceVersion: String(page.revision),
    ...(page.continue !== undefined && { continue: page.continue }),
    ...(page.remainingItemCount !== undefined && { remainingItemCount: page.remainingItemCount }),
  }
  const objects = (): KubeObject[] => page.objects.map(({ object }) => object)
  if (form === 'table') return jsonAnswer(table(resource, objects(), { metadata, include }))
  if (form === 'metadata') {
    return jsonAnswer({
      kind: 'PartialObjectMetadataList',
      apiVersion: 'meta.k8s.io/v1',
      metadata,
      items: objects().map(partialMetadata),
    })
  }
  const head = `{"kind":"${resource.custom?.listKind ?? `${resource.kind}List`}","apiVersion":"${apiVersionOf(resource)}","metadata":${JSON.stringify(metadata)},"items":[`
  const parts: Buffer[] = [Buffer.from(head)]
  page.objects.forEach(({ bytes }, i) => {
    if (i > 0) parts.push(comma)
    parts.push(bytes)
  })
  parts.push(tail)
  return bytesAnswer(Buffer.concat(parts))
}

const comma = Buffer.from(',')
const tail = Buffer.from(']}')
