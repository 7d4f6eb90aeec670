import { apiVersionOf, type ObjectKey } from '../../api/api-resource.js'
import { componentstatuses, pods } from '../../api/generated/resources.js'
import type { AuthenticationTokenRequest, Binding, Eviction, Pod, ServiceAccount } from '../../api/generated/types.js'
import { isJsonObject, type JsonObject } from '../../api/json.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import { badRequest, methodNotSupported, notFound, unknownPath } from '../../api/status.js'
import { scaleColumns } from '../../api/table-columns/autoscaling.js'
import type { Store } from '../store/store.js'
import type { Access } from './access.js'
import type { AdmissionChain } from './admission/admission-chain.js'
import { refuseTokenOfOthers } from './admission/node-restriction.js'
import { type Answer, type ApiServerResponse, asYaml, bytesAnswer, jsonAnswer, warn } from './answers.js'
import type { ApiServerRequest, User } from './authentication.js'
import type { PolicyObjects } from './authorization/policy-objects.js'
import { withApproval } from './certificate-approval.js'
import { evictPod } from './eviction.js'
import { listAnswer, listObjects } from './list-objects.js'
import { answerForm } from './negotiation.js'
import type { ObjectCache } from './object-cache.js'
import { objectStoreKey, type StoredObject } from './object-codec.js'
import type { ObjectWriter, WritableObject } from './object-writer.js'
import { boundPod } from './pod-binding.js'
import type { PodStreams } from './pod-streams.js'
import { type Body, mediaTypeOf, parseBody, readBody } from './request-body.js'
import {
  appliedConfiguration,
  applyType,
  asJson,
  type Expected,
  expectedOf,
  objectOfBody,
  objectOfPatch,
  patched,
  writable,
} from './request-object.js'
import { applyOptions, deleteOptions, fieldValidation, isDryRun, managerOf, refuseForce } from './request-options.js'
import { booleanParameter, type RequestTarget } from './request-target.js'
import { isReview, reviewStatus } from './reviews.js'
import { scaleOf, withScale } from './scale.js'
import type { StreamUpgrade } from './stream-upgrade.js'
import { type IncludeObject, partialMetadata, table } from './tables.js'
import { watchObjects } from './watch-objects.js'

const scaleBody: Expected = { apiVersion: 'autoscaling/v1', kind: 'Scale', typePath: 'io.k8s.api.autoscaling.v1.Scale' }
const bindingBody: Expected = { apiVersion: 'v1', kind: 'Binding', typePath: 'io.k8s.api.core.v1.Binding' }
const evictionBody: Expected = { apiVersion: 'policy/v1', kind: 'Eviction', typePath: 'io.k8s.api.policy.v1.Eviction' }
const tokenBody: Expected = {
  apiVersion: 'authentication.k8s.io/v1',
  kind: 'TokenRequest',
  typePath: 'io.k8s.api.authentication.v1.TokenRequest',
}
/** Upstream answers a deletion of these with the object, of others with a Status. */
const returnsDeleted = new Set(['pods', 'services', 'serviceaccounts'])

interface Parts {
  readonly store: Store
  /** The ComponentStatuses of this moment. */
  readonly components: () => Promise<readonly StoredObject[]>
  readonly cache: ObjectCache
  readonly writer: ObjectWriter
  readonly access: Access
  readonly objects: PolicyObjects
  readonly admission: AdmissionChain
  readonly streams: PodStreams
}

interface Exchange {
  readonly request: ApiServerRequest
  readonly response: ApiServerResponse
  /** Set when the client wants its connection to go on in another protocol. */
  readonly upgrade?: StreamUpgrade | undefined
  readonly target: RequestTarget
  readonly user: User
  readonly query: URLSearchParams
  readonly signal: AbortSignal
}

/** Answers one request for a resource; undefined when a watch has answered by itself. */
export type ResourceHandler = (exchange: Exchange) => Promise<Answer | undefined>

/** The verbs of the API over a store; all resources pass through here. */
export function createResourceHandler({ store, cache, components, objects, writer, access, admission, streams }: Parts): ResourceHandler {
  const isComputed = ({ group, resource }: ResourceType): boolean => group === '' && resource === componentstatuses.resource

  async function find(resource: ResourceType, at: ObjectKey): Promise<StoredObject> {
    await cache.current()
    const found = isComputed(resource)
      ? (await components()).find(({ key }) => key === at.name)
      : cache.collection(resource).get(objectStoreKey(resource, at))
    if (!found) throw notFound(resource, at.name)
    return found
  }

  const bodyOf = async (request: ApiServerRequest): Promise<Body> => parseBody(await readBody(request), mediaTypeOf(request))

  /** On what terms a request writes: for real or not, and past which plugins. */
  function terms(
    { request, user, query, target: { resource, subresource } }: Exchange,
    dryRunValues: readonly string[] = query.getAll('dryRun'),
  ) {
    const dryRun = isDryRun(request, dryRunValues)
    return { dryRun, admission: admission({ user, resource, subresource, dryRun }) }
  }

  async function collection(exchange: Exchange): Promise<Answer | undefined> {
    const { request, response, target, query, signal } = exchange
    const { resource, namespace } = target
    refuseUnlessServed(exchange)
    switch (request.method) {
      case 'GET':
      case 'HEAD': {
        const { form, yaml } = answerForm(request)
        const include = includeObject(query)
        if (booleanParameter(query, 'watch')) {
          await watchObjects({ store, cache }, { resource, namespace, query, form, include }, response, signal)
          return undefined
        }
        const page = isComputed(resource)
          ? { revision: store.revision, objects: await components() }
          : await listObjects({ store, cache }, { resource, namespace, query })
        const answer = listAnswer(resource, page, { form, include })
        return yaml ? asYaml(answer) : answer
      }
      case 'POST': {
        if (resource.namespaced && namespace === undefined) throw methodNotSupported(resource, 'create')
        const { object, warnings } = objectOfBody(await bodyOf(request), expectedOf(resource), fieldValidation(request, query))
        warn(response, warnings)
        if (isReview(resource.kind)) {
          const status = await reviewStatus(access, { kind: resource.kind, namespace, object, user: exchange.user })
          return jsonAnswer({ ...object, ...apiNames(resource), status }, 201)
        }
        const draft = inNamespace(writable(object), target)
        if (resource.kind === bindingBody.kind) {
          const pod = objects.rowOf(pods)
          return bind({ ...exchange, target: { ...target, resource: pod, subresource: 'binding' } }, draft as unknown as Binding, {
            namespace,
            name: draft.metadata.name ?? '',
          })
        }
        const stored = await writer.create(resource, draft, {
          ...terms(exchange),
          manager: managerOf(request, query),
        })
        return objectAnswer(exchange, stored, 201)
      }
      case 'DELETE': {
        const options = await deleteOptions(request, query)
        const page = await listObjects({ store, cache }, { resource, namespace, query })
        for (const { object } of page.objects) {
          const at = { namespace: object.metadata.namespace, name: object.metadata.name ?? '' }
          await writer.delete({ resource, at, options, ...terms(exchange, options.dryRun) }).catch(ignoreNotFound)
        }
        return listAnswer(resource, page, { form: 'object', include: 'Metadata' })
      }
      default:
        throw methodNotSupported(resource, verbOf(request.method))
    }
  }

  async function bind(exchange: Exchange, binding: Binding, at: ObjectKey): Promise<Answer> {
    const { resource, subresource } = exchange.target
    const change = (current: KubeObject): WritableObject => boundPod(resource, current, binding)
    await writer.update({ resource, at, subresource, ...terms(exchange), change })
    return jsonAnswer({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }, 201)
  }

  async function object(exchange: Exchange, at: ObjectKey): Promise<Answer | undefined> {
    const { request, response, target, query, signal } = exchange
    const { resource, namespace } = target
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        if (booleanParameter(query, 'watch')) {
          const { form } = answerForm(request)
          const named = new URLSearchParams(query)
          named.set('fieldSelector', `metadata.name=${at.name}`)
          await watchObjects({ store, cache }, { resource, namespace, query: named, form, include: includeObject(query) }, response, signal)
          return undefined
        }
        return objectAnswer(exchange, await find(resource, at))
      case 'PUT':
      case 'PATCH':
        if (request.method === 'PATCH' && mediaTypeOf(request) === applyType) return apply(exchange, at)
        return write(exchange, at, {
          expected: expectedOf(resource),
          read: asJson,
          merge: (_, wanted) => named(inNamespace(writable(wanted), target), at.name),
        })
      case 'DELETE': {
        const options = await deleteOptions(request, query)
        const { stored, removed } = await writer.delete({ resource, at, options, ...terms(exchange, options.dryRun) })
        if (!removed || returnsDeleted.has(resource.resource)) return objectAnswer(exchange, stored)
        const { group } = resource
        const details = { name: at.name, ...(group !== '' && { group }), kind: resource.resource, uid: stored.object.metadata.uid }
        return jsonAnswer({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details })
      }
      default:
        throw methodNotSupported(resource, verbOf(request.method))
    }
  }

  async function apply(exchange: Exchange, at: ObjectKey): Promise<Answer> {
    const { request, target, query } = exchange
    const { resource, subresource } = target
    const body = await bodyOf(request)
    const config = appliedConfiguration(body, expectedOf(resource), fieldValidation(request, query))
    const wanted = named(inNamespace(writable(config), target), at.name)
    const { stored, created } = await writer.apply({
      resource,
      at,
      subresource,
      ...terms(exchange),
      ...applyOptions(request, query),
      config: asJson(wanted as KubeObject),
    })
    return objectAnswer(exchange, stored, created ? 201 : 200)
  }

  interface WriteForm {
    readonly expected: Expected
    /** The object as the request sees it, to be patched. */
    read(current: KubeObject): JsonObject
    /** The object with what the request wants of it. */
    merge(current: KubeObject, wanted: JsonObject): WritableObject
  }

  /** PUT and PATCH of an object or of a view of it. */
  async function write(exchange: Exchange, at: ObjectKey, { expected, read, merge }: WriteForm): Promise<Answer> {
    const { request, response, target, query } = exchange
    const { resource, subresource } = target
    const validation = fieldValidation(request, query)
    const mediaType = mediaTypeOf(request)
    const isPatch = request.method === 'PATCH'
    if (isPatch) refuseForce(request, query)
    if (isPatch) patched({}, mediaType === 'application/json-patch+json' ? [] : {}, mediaType, expected) // 415 before the body is read.
    const body = await bodyOf(request)
    const put = isPatch ? undefined : objectOfBody(body, expected, validation)
    warn(response, put?.warnings ?? [])
    const stored = await writer.update({
      resource,
      at,
      subresource,
      ...terms(exchange),
      manager: managerOf(request, query),
      change: current => {
        if (put) return merge(current, put.object)
        const before = read(current)
        const result = objectOfPatch(patched(before, body.value, mediaType, expected), body, expected, validation)
        warn(response, result.warnings)
        const after = merge(current, result.object)
        // A patch that does not speak of the version applies to whatever is there.
        if (!patchNamesVersion(body)) delete after.metadata.resourceVersion
        return after
      },
    })
    return expected === scaleBody ? scaleAnswer(exchange, stored) : objectAnswer(exchange, stored)
  }

  async function sub(exchange: Exchange, at: ObjectKey): Promise<Answer | undefined> {
    const { request, response, upgrade, target, query } = exchange
    const { resource, subresource } = target
    const facts = resource.subresources.find(({ name }) => name === subresource)
    if (!facts) throw unknownPath()
    if (!facts.verbs.includes(verbOf(request.method))) throw methodNotSupported(resource, verbOf(request.method))
    switch (subresource) {
      case 'status':
        return object(exchange, at)
      case 'scale':
        if (request.method === 'GET') return scaleAnswer(exchange, await find(resource, at))
        return write(exchange, at, {
          expected: scaleBody,
          read: current => asJson(scaleOf(current, resource.custom?.scale)),
          merge: (current, wanted) => withScale(resource, current, wanted),
        })
      case 'finalize': {
        const { object: wanted } = objectOfBody(await bodyOf(request), expectedOf(resource), fieldValidation(request, query))
        const { spec, metadata } = writable(wanted)
        const stored = await writer.update({
          resource,
          at,
          subresource,
          ...terms(exchange),
          change: current => {
            const after = structuredClone(current) as WritableObject
            after.spec = spec ?? {}
            if (metadata.resourceVersion) after.metadata.resourceVersion = metadata.resourceVersion
            else delete after.metadata.resourceVersion
            return after
          },
        })
        return objectAnswer(exchange, stored)
      }
      case 'binding': {
        const { object: binding } = objectOfBody(await bodyOf(request), bindingBody, fieldValidation(request, query))
        return bind(exchange, binding as unknown as Binding, at)
      }
      case 'approval':
        if (request.method === 'GET') return object(exchange, at)
        return write(exchange, at, { expected: expectedOf(resource), read: asJson, merge: withApproval })
      case 'eviction': {
        const { object: eviction } = objectOfBody(await bodyOf(request), evictionBody, fieldValidation(request, query))
        const { deleteOptions } = eviction as Eviction
        const on = { namespace: at.namespace ?? '', name: at.name }
        await cache.current()
        await evictPod({ objects, writer }, { at: on, eviction: eviction as Eviction, ...terms(exchange, deleteOptions?.dryRun) })
        return jsonAnswer({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }, 201)
      }
      case 'token': {
        const { object: wanted } = objectOfBody(await bodyOf(request), tokenBody, fieldValidation(request, query))
        const account = (await find(resource, at)).object as ServiceAccount
        refuseTokenOfOthers(objects, exchange.user, at.namespace ?? '', wanted as unknown as AuthenticationTokenRequest)
        const status = await access.tokens.issue(account, wanted as unknown as AuthenticationTokenRequest)
        return jsonAnswer({ ...wanted, kind: tokenBody.kind, apiVersion: tokenBody.apiVersion, status }, 201)
      }
      case 'log':
        return streams.log({ request, response, upgrade, query, pod: (await find(resource, at)).object as Pod })
      case 'exec':
      case 'attach':
      case 'portforward':
        return streams.stream(subresource, { request, response, upgrade, query, pod: (await find(resource, at)).object as Pod })
      default:
        throw unknownPath()
    }
  }

  return exchange => {
    const { name, namespace, subresource, resource } = exchange.target
    if (name === undefined) return collection(exchange)
    const at: ObjectKey = resource.namespaced ? { namespace, name } : { name }
    return subresource === undefined ? object(exchange, at) : sub(exchange, at)
  }
}

const verbs: Readonly<Record<string, string>> = { GET: 'get', HEAD: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }
const verbOf = (method = ''): string => verbs[method] ?? method.toLowerCase()

const apiNames = (resource: ResourceType): object => ({ kind: resource.kind, apiVersion: apiVersionOf(resource) })

/** Some resources exist only to be asked, and are never stored. */
function refuseUnlessServed({ request, target: { resource } }: Exchange): void {
  const verb = request.method === 'GET' || request.method === 'HEAD' ? 'list' : verbOf(request.method)
  if (['list', 'create'].includes(verb) && !resource.verbs.includes(verb)) throw methodNotSupported(resource, verb)
}

function includeObject(query: URLSearchParams): IncludeObject {
  const text = query.get('includeObject') || 'Metadata'
  if (text === 'None' || text === 'Metadata' || text === 'Object') return text
  throw badRequest(`unrecognized includeObject value: ${JSON.stringify(text)}`)
}

/** One object in the form its reader asked for. */
function objectAnswer({ request, target, query }: Exchange, { object, bytes }: StoredObject, status = 200): Answer {
  const { form, yaml } = answerForm(request)
  const { resourceVersion = '' } = object.metadata
  const answer =
    form === 'table'
      ? jsonAnswer(table(target.resource, [object], { metadata: { resourceVersion }, include: includeObject(query) }), status)
      : form === 'metadata'
        ? jsonAnswer(partialMetadata(object), status)
        : bytesAnswer(bytes, status)
  return yaml ? asYaml(answer) : answer
}

/** The scale of an object, as a row for people or as it is. */
function scaleAnswer({ request, target: { resource }, query }: Exchange, { object }: StoredObject): Answer {
  const scale = scaleOf(object, resource.custom?.scale)
  if (answerForm(request).form !== 'table') return jsonAnswer(scale)
  const { resourceVersion = '' } = scale.metadata
  return jsonAnswer(table({ columns: scaleColumns }, [scale], { metadata: { resourceVersion }, include: includeObject(query) }))
}

/** The object in the namespace of the path. Throws 400 when it names another. */
function inNamespace(object: WritableObject, { resource, namespace }: RequestTarget): WritableObject {
  const { metadata } = object
  if (!resource.namespaced || namespace === undefined) return object
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  metadata.namespace = namespace
  return object
}

function named(object: WritableObject, name: string): WritableObject {
  const { metadata } = object
  if (metadata.name && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`)
  }
  metadata.name = name
  return object
}

/** True when a patch carries a resourceVersion, which then must be the current one. */
function patchNamesVersion({ value }: Body): boolean {
  if (Array.isArray(value)) return value.some(operation => isJsonObject(operation) && operation.path === '/metadata/resourceVersion')
  return isJsonObject(value) && isJsonObject(value.metadata) && Boolean(value.metadata.resourceVersion)
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'NOT_FOUND')) throw error
}
