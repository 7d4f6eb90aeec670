import { apiVersionOf } from '../../api/api-resource.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { badRequest, expired } from '../../api/status.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { Store } from '../store/store.js'
import { type Answer, bytesAnswer, jsonAnswer } from './answers.js'
import type { AnswerForm } from './negotiation.js'
import type { ObjectCache } from './object-cache.js'
import { collectionPrefix, decodeServed, type StoredObject } from './object-codec.js'
import { type ObjectFilter, objectFilter } from './object-filter.js'
import { numberParameter } from './request-target.js'
import { type IncludeObject, partialMetadata, table } from './tables.js'

/** One page of a collection. */
export interface Page {
  readonly revision: number
  readonly objects: readonly StoredObject[]
  readonly continue?: string
  readonly remainingItemCount?: number
}

/** What a continue token carries: the revision of the first page and the last key it has given. */
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

/** Lists a collection: whole from the cache, pages after the first from the store as it was at the first page. */
export async function listObjects({ store, cache }: Parts, { resource, namespace, query }: Collection): Promise<Page> {
  const filter = objectFilter(resource, query)
  const prefix = collectionPrefix(resource, resource.namespaced ? namespace : undefined)
  const limit = numberParameter(query, 'limit') || undefined
  const token = query.get('continue')
  if (token) return continuedPage({ store, resource, prefix, filter, limit }, parseToken(token))

  const wanted = numberParameter(query, 'resourceVersion')
  if (query.get('resourceVersionMatch') === 'Exact') {
    if (!wanted) throw badRequest('resourceVersionMatch=Exact needs a resourceVersion')
    return continuedPage({ store, resource, prefix, filter, limit }, { rv: wanted, after: '' })
  }
  await cache.current()
  if (wanted !== undefined && wanted > cache.revision) throw badRequest(`Too large resource version: ${wanted}, current: ${cache.revision}`)
  const matching = cache
    .collection(resource)
    .list(prefix)
    .filter(({ object }) => filter(object))
  return page(matching, limit, cache.revision)
}

interface Reading {
  readonly store: Store
  readonly resource: ResourceType
  readonly prefix: string
  readonly filter: ObjectFilter
  readonly limit: number | undefined
}

async function continuedPage({ store, resource, prefix, filter, limit }: Reading, { rv, after }: ContinueToken): Promise<Page> {
  try {
    const { entries } = await store.list(prefix, { revision: rv, ...(after !== '' && { after }) })
    const matching = entries.map(entry => decodeServed(resource, entry)).filter(({ object }) => filter(object))
    return page(matching, limit, rv)
  } catch (error) {
    if (isPodwireError(error, 'REVISION_TOO_OLD')) {
      throw expired(
        'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
      )
    }
    if (isPodwireError(error, 'CONFLICT')) throw badRequest('the continue token or resourceVersion is from the future')
    throw error
  }
}

function page(objects: readonly StoredObject[], limit: number | undefined, revision: number): Page {
  if (limit === undefined || objects.length <= limit) return { revision, objects }
  const shown = objects.slice(0, limit)
  const token: ContinueToken = { rv: revision, after: shown.at(-1)!.key }
  return {
    revision,
    objects: shown,
    continue: Buffer.from(JSON.stringify(token)).toString('base64url'),
    remainingItemCount: objects.length - limit,
  }
}

function parseToken(text: string): ContinueToken {
  try {
    const token: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (typeof token === 'object' && token !== null && 'rv' in token && 'after' in token) {
      if (Number.isSafeInteger(token.rv) && typeof token.after === 'string') return token as ContinueToken
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
    ...(page.continue !== undefined && { continue: page.continue, remainingItemCount: page.remainingItemCount }),
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
