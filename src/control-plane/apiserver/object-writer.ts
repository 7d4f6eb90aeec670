import { randomBytes, randomUUID } from 'node:crypto'

import { apiVersionOf, type ObjectKey } from '../../api/api-resource.js'
import type { DeleteOptions, ManagedFieldsEntry, ObjectMeta, Service } from '../../api/generated/types.js'
import { type Draft, type JsonObject, jsonEqual } from '../../api/json.js'
import { applyConfiguration, type FieldManager, fieldsAfterUpdate, isManagedFields } from '../../api/managed-fields.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import {
  alreadyExists,
  applyConflict,
  badRequest,
  conflict,
  forbiddenRequest,
  internalError,
  invalidObject,
  notFound,
  refusal,
} from '../../api/status.js'
import { timeText } from '../../api/time-text.js'
import { validateMeta, validateMetaUpdate } from '../../api/validate-meta.js'
import type { Commit, Store } from '../store/store.js'
import type { ObjectCache } from './object-cache.js'
import { decodeStored, encodeStored, objectStoreKey, type StoredObject } from './object-codec.js'
import type { ServiceAllocation } from './service-allocation.js'

/** Upstream's alphabet for generated names: no vowels, so no words. */
const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789'
const longestPrefix = 58
const mostAttempts = 20
const deletionFinalizers = ['foregroundDeletion', 'orphan']
const keptNamespaces = new Set(['default', 'kube-public', 'kube-system'])

/** An object being written: metadata is always there. */
export type WritableObject = Draft<KubeObject> & { metadata: Draft<ObjectMeta>; spec?: unknown; status?: unknown }

export interface UpdateRequest {
  readonly resource: ResourceType
  readonly at: ObjectKey
  /** None and `scale` change all but the status, `status` nothing else; `binding` and `finalize` have made sure of what they change. */
  readonly subresource?: string | undefined
  readonly dryRun: boolean
  /** Who shall own the changed fields in metadata.managedFields; without it, ownership stays as it is. */
  readonly manager?: string | undefined
  /** What the object is to become. Runs again when another writer was faster. */
  change(current: KubeObject): WritableObject | Promise<WritableObject>
}

export interface CreateOptions {
  readonly dryRun: boolean
  readonly manager?: string | undefined
}

export interface ApplyRequest {
  readonly resource: ResourceType
  readonly at: ObjectKey
  readonly subresource?: string | undefined
  readonly dryRun: boolean
  readonly manager: string
  /** Takes fields over from other managers; else they are conflicts. */
  readonly force: boolean
  readonly config: JsonObject
}

export interface DeleteRequest {
  readonly resource: ResourceType
  readonly at: ObjectKey
  readonly options: DeleteOptions
  readonly dryRun: boolean
}

/** Writes objects as upstream's generic registry does: strategies, preconditions, finalizers, grace; every write one commit. */
export interface ObjectWriter {
  create(resource: ResourceType, object: WritableObject, options: CreateOptions): Promise<StoredObject>
  update(request: UpdateRequest): Promise<StoredObject>
  /** Server-side apply; creates the object when it is not there. Throws 409 for conflicts with other managers. */
  apply(request: ApplyRequest): Promise<{ readonly stored: StoredObject; readonly created: boolean }>
  /** `removed` is false when finalizers or grace hold the object. */
  delete(request: DeleteRequest): Promise<{ readonly stored: StoredObject; readonly removed: boolean }>
}

interface Parts {
  readonly store: Store
  readonly cache: ObjectCache
  readonly namespaces: ResourceType
  readonly allocation: ServiceAllocation
}

export function createObjectWriter({ store, cache, namespaces, allocation }: Parts): ObjectWriter {
  /** What stands in the cache once it shows everything that was committed before. */
  async function current(resource: ResourceType, at: ObjectKey): Promise<StoredObject> {
    await cache.reached(store.revision)
    const found = cache.collection(resource).get(objectStoreKey(resource, at))
    if (!found) throw notFound(resource, at.name)
    return found
  }

  function refuseUnlessActive(resource: ResourceType, { namespace = '', name = '' }: ObjectMeta): void {
    const found = cache.collection(namespaces).get(objectStoreKey(namespaces, { name: namespace }))
    if (!found) throw notFound(namespaces, namespace)
    if (!found.object.metadata.deletionTimestamp) return
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`
    throw refusal({
      http: 403,
      reason: 'Forbidden',
      message: forbiddenRequest(resource, name, why).message,
      details: {
        name,
        kind: resource.resource,
        causes: [{ reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }],
      },
    })
  }

  /** The object, and what must be committed with it, for Services: their addresses and ports. */
  function withAllocation(
    resource: ResourceType,
    object: WritableObject | undefined,
    previous: KubeObject | undefined,
    put: Commit,
  ): Commit {
    if (resource.resource !== 'services' || resource.group !== '') return put
    const { commit, problems } = allocation.plan(object as Draft<Service> | undefined, previous as Service | undefined)
    if (problems.length > 0) throw invalidObject(resource, object?.metadata.name ?? '', problems)
    return { expect: [...put.expect, ...commit.expect], changes: [...put.changes, ...commit.changes] }
  }

  /** Commits; undefined when another writer was faster and the caller must look again. */
  async function commit(wanted: Commit): Promise<number | { readonly lost: string }> {
    const result = await store.commit(wanted)
    if (!result.committed) {
      allocation.noteLost(result.key)
      return { lost: result.key }
    }
    allocation.noteCommitted(wanted.changes)
    await cache.reached(result.revision)
    return result.revision
  }

  const stored = (resource: ResourceType, key: string, object: KubeObject, revision: number): StoredObject =>
    decodeStored({ key, value: encodeStored(resource, object), createRevision: revision, modRevision: revision })

  async function create(
    resource: ResourceType,
    object: WritableObject,
    { dryRun, manager }: CreateOptions,
    applied?: readonly ManagedFieldsEntry[],
  ): Promise<StoredObject> {
    const { strategy } = resource
    const meta = object.metadata
    if (meta.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created')
    const { generateName } = meta
    meta.uid = randomUUID()
    meta.creationTimestamp = timeText(Date.now())
    for (const field of [
      'resourceVersion',
      'selfLink',
      'deletionTimestamp',
      'deletionGracePeriodSeconds',
      'managedFields',
      'generation',
    ] as const) {
      delete meta[field]
    }
    if (strategy.hasGeneration) meta.generation = 1
    if (!strategy.keepsStatusOnCreate && resource.subresources.some(({ name }) => name === 'status')) delete object.status
    await cache.reached(store.revision)

    const isNamed = Boolean(meta.name)
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const draft = structuredClone(object)
      if (!isNamed && generateName) draft.metadata.name = generatedName(generateName)
      strategy.setDefaults(draft)
      strategy.prepareCreate(draft)
      const problems = [
        ...validateMeta(draft.metadata, { namespaced: resource.namespaced, checkName: strategy.checkName }),
        ...strategy.validate(draft),
      ]
      if (problems.length > 0) throw invalidObject(resource, draft.metadata.name ?? '', problems)
      const managed = applied ?? (manager === undefined ? undefined : fieldsAfterCreate(resource, draft, manager))
      if (managed) setManagedFields(draft, managed)
      if (resource.namespaced) refuseUnlessActive(resource, draft.metadata)

      const key = objectStoreKey(resource, { namespace: draft.metadata.namespace, name: draft.metadata.name! })
      if (cache.collection(resource).get(key)) {
        if (!isNamed) continue
        throw alreadyExists(resource, draft.metadata.name!)
      }
      const extra = withAllocation(resource, draft, undefined, { expect: [], changes: [] })
      const value = encodeStored(resource, draft)
      if (dryRun) return stored(resource, key, draft, store.revision)
      const result = await commit({
        expect: [{ key, revision: 0 }, ...extra.expect],
        changes: [{ type: 'put', key, value }, ...extra.changes],
      })
      if (typeof result === 'number') return decodeStored({ key, value, createRevision: result, modRevision: result })
      if (result.lost === key && isNamed) throw alreadyExists(resource, draft.metadata.name!)
    }
    throw internalError(`no free name or address was found for ${resource.resource} in ${mostAttempts} attempts`)
  }

  async function update(
    { resource, at, subresource, dryRun, manager, change }: UpdateRequest,
    applied?: () => readonly ManagedFieldsEntry[],
  ): Promise<StoredObject> {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const before = await current(resource, at)
      const wanted = await change(before.object)
      const draft = settle(resource, wanted, before.object, subresource)
      const managed = applied ? applied() : fieldsAfter(resource, { wanted, draft, before: before.object, subresource, manager })
      setManagedFields(draft, managed)
      const asked = wanted.metadata.resourceVersion
      if (asked && asked !== before.object.metadata.resourceVersion) throw conflict(resource, at.name)

      const extra =
        subresource === undefined
          ? withAllocation(resource, draft, before.object, { expect: [], changes: [] })
          : { expect: [], changes: [] }
      const { resourceVersion: _, ...meta } = before.object.metadata
      if (jsonEqual(draft, { ...before.object, metadata: meta })) return before
      if (dryRun) return stored(resource, before.key, draft, before.revision)
      if (isFinished(draft)) {
        const result = await remove(resource, before)
        if (result) return result
        continue
      }
      const value = encodeStored(resource, draft)
      const result = await commit({
        expect: [{ key: before.key, revision: before.revision }, ...extra.expect],
        changes: [{ type: 'put', key: before.key, value }, ...extra.changes],
      })
      if (typeof result === 'number') return decodeStored({ key: before.key, value, createRevision: result, modRevision: result })
      if (asked && result.lost === before.key) throw conflict(resource, at.name)
    }
    throw conflict(resource, at.name)
  }

  /** Removes the object as it was last seen; undefined when another writer was faster. */
  async function remove(resource: ResourceType, before: StoredObject): Promise<StoredObject | undefined> {
    const result = await commit(
      withAllocation(resource, undefined, before.object, {
        expect: [{ key: before.key, revision: before.revision }],
        changes: [{ type: 'delete', key: before.key }],
      }),
    )
    return typeof result === 'number' ? before : undefined
  }

  async function apply({ resource, at, subresource, dryRun, manager, force, config }: ApplyRequest) {
    const writer = fieldManager(resource, manager, subresource)
    const ignored = subresource === 'status' ? ['spec'] : resource.subresources.some(({ name }) => name === 'status') ? ['status'] : []
    const application = { config, typePath: resource.typePath, writer, force, ignored }
    await cache.reached(store.revision)
    if (subresource === undefined && !cache.collection(resource).get(objectStoreKey(resource, at))) {
      const { object, entries } = applyConfiguration({ ...application, live: undefined, entries: [] })
      return { stored: await create(resource, object as unknown as WritableObject, { dryRun }, entries), created: true }
    }
    let entries: readonly ManagedFieldsEntry[] = []
    const change = (current: KubeObject): WritableObject => {
      const { managedFields = [], resourceVersion: _, ...metadata } = current.metadata ?? {}
      const live = structuredClone({ ...current, metadata }) as unknown as JsonObject
      const result = applyConfiguration({ ...application, live, entries: managedFields })
      if (result.conflicts.length > 0) throw applyConflict(result.conflicts)
      entries = result.entries
      return result.object as unknown as WritableObject
    }
    return { stored: await update({ resource, at, subresource, dryRun, change }, () => entries), created: false }
  }

  return {
    create: (resource, object, options) => create(resource, object, options),
    update: request => update(request),
    apply,
    async delete({ resource, at, options, dryRun }) {
      if (resource === namespaces && keptNamespaces.has(at.name)) {
        throw forbiddenRequest(resource, at.name, 'this namespace may not be deleted')
      }
      for (let attempt = 0; attempt < mostAttempts; attempt++) {
        const before = await current(resource, at)
        refuseUnlessMet(resource, before.object, options)
        const draft = markedForDeletion(resource, before.object, options)
        if (isFinished(draft)) {
          if (dryRun) return { stored: before, removed: true }
          const removed = await remove(resource, before)
          if (removed) return { stored: removed, removed: true }
          continue
        }
        const { resourceVersion: _, ...meta } = before.object.metadata
        if (dryRun || jsonEqual(draft, { ...before.object, metadata: meta })) return { stored: before, removed: false }
        const value = encodeStored(resource, draft)
        const result = await commit({
          expect: [{ key: before.key, revision: before.revision }],
          changes: [{ type: 'put', key: before.key, value }],
        })
        if (typeof result !== 'number') continue
        return { stored: decodeStored({ key: before.key, value, createRevision: result, modRevision: result }), removed: false }
      }
      throw conflict(resource, at.name)
    },
  }
}

/** The object that an update makes: what the writer may change taken from `wanted`, the rest from `before`. Throws 422. */
function settle(
  resource: ResourceType,
  wanted: WritableObject,
  before: KubeObject & { metadata: ObjectMeta },
  subresource: string | undefined,
): WritableObject {
  const { strategy } = resource
  const old = structuredClone(before) as WritableObject
  const meta = wanted.metadata
  if (meta.uid && meta.uid !== old.metadata.uid) {
    throw conflict(
      resource,
      old.metadata.name ?? '',
      `Precondition failed: UID in precondition: ${meta.uid}, UID in object meta: ${old.metadata.uid}`,
    )
  }
  const hasStatus = resource.subresources.some(({ name }) => name === 'status')
  const isMain = subresource === undefined || subresource === 'scale'
  const fields =
    subresource === 'status' ? { ...old, status: wanted.status } : hasStatus && isMain ? { ...wanted, status: old.status } : wanted
  const draft: WritableObject = structuredClone({ ...fields, metadata: { ...meta } })
  if (draft.status === undefined) delete draft.status
  keepSystemFields(draft.metadata, old.metadata)
  if (isMain) {
    strategy.prepareUpdate(draft, before)
    strategy.setDefaults(draft)
  }
  if (strategy.hasGeneration) {
    const { metadata: _, status: __, ...after } = draft
    const { metadata: ___, status: ____, ...earlier } = old
    const changed = !jsonEqual(after, earlier)
    draft.metadata.generation = (old.metadata.generation ?? 1) + (changed ? 1 : 0)
  }
  const problems = [
    ...validateMeta(draft.metadata, { namespaced: resource.namespaced, checkName: strategy.checkName }),
    ...validateMetaUpdate(draft.metadata, old.metadata),
    ...(isMain ? [...strategy.validate(draft), ...strategy.validateUpdate(draft, before)] : []),
  ]
  if (problems.length > 0) throw invalidObject(resource, old.metadata.name ?? '', problems)
  return draft
}

const fieldManager = (resource: ResourceType, manager: string, subresource: string | undefined): FieldManager => ({
  manager,
  apiVersion: apiVersionOf(resource),
  subresource,
  time: timeText(Date.now()),
})

function setManagedFields({ metadata }: WritableObject, entries: readonly ManagedFieldsEntry[]): void {
  if (entries.length === 0) delete metadata.managedFields
  else metadata.managedFields = entries as Draft<ManagedFieldsEntry>[]
}

/** The creator owns all that it and the defaults have set; a first status is the server's. */
function fieldsAfterCreate(resource: ResourceType, draft: WritableObject, manager: string): readonly ManagedFieldsEntry[] {
  const { status, ...rest } = draft
  const after = (resource.strategy.keepsStatusOnCreate ? { ...rest, status } : rest) as unknown as JsonObject
  const writer = fieldManager(resource, manager, undefined)
  return fieldsAfterUpdate({ before: undefined, after, typePath: resource.typePath, entries: [], writer })
}

interface Change {
  readonly wanted: WritableObject
  readonly draft: WritableObject
  readonly before: KubeObject & { readonly metadata: ObjectMeta }
  readonly subresource: string | undefined
  readonly manager: string | undefined
}

/** Who owns what after an update. A writer may hand in other entries, or one that is empty to forget them all. */
function fieldsAfter(resource: ResourceType, { wanted, draft, before, subresource, manager }: Change): readonly ManagedFieldsEntry[] {
  const { managedFields: old = [] } = before.metadata
  if (manager === undefined) return old
  const { managedFields: given = [] } = wanted.metadata
  const isReset = given.length === 1 && Object.keys(given[0] ?? {}).length === 0
  if (isReset && subresource === undefined) return []
  const entries = subresource === undefined && given.length > 0 && isManagedFields(given) ? given : old
  return fieldsAfterUpdate({
    before: before as unknown as JsonObject,
    after: draft as unknown as JsonObject,
    typePath: resource.typePath,
    entries,
    writer: fieldManager(resource, manager, subresource),
  })
}

/** Fields of metadata that only the server sets. */
function keepSystemFields(meta: Draft<ObjectMeta>, old: Draft<ObjectMeta>): void {
  delete meta.resourceVersion
  delete meta.managedFields
  meta.uid ??= old.uid!
  for (const field of ['creationTimestamp', 'deletionTimestamp'] as const) {
    if (old[field] === undefined) delete meta[field]
    else meta[field] = old[field]
  }
  for (const field of ['generation', 'deletionGracePeriodSeconds'] as const) {
    if (old[field] === undefined) delete meta[field]
    else meta[field] = old[field]
  }
  if (old.generateName !== undefined) meta.generateName ??= old.generateName
  if (old.selfLink === undefined) delete meta.selfLink
}

/** True when nothing holds an object any more that is to be deleted. */
function isFinished({ metadata, spec, kind }: WritableObject): boolean {
  if (!metadata.deletionTimestamp || metadata.finalizers?.length || metadata.deletionGracePeriodSeconds) return false
  const held = kind === 'Namespace' ? (spec as { finalizers?: string[] } | undefined)?.finalizers : undefined
  return !held?.length
}

function refuseUnlessMet(resource: ResourceType, { metadata }: StoredObject['object'], { preconditions }: DeleteOptions): void {
  const name = metadata.name ?? ''
  if (preconditions?.uid && preconditions.uid !== metadata.uid) {
    throw conflict(resource, name, `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${metadata.uid}`)
  }
  if (preconditions?.resourceVersion && preconditions.resourceVersion !== metadata.resourceVersion) {
    const { resourceVersion } = preconditions
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`
    throw conflict(resource, name, why)
  }
}

/** The object with a deletion requested: finalizers by the propagation policy, time of removal by the grace period. */
function markedForDeletion(resource: ResourceType, before: StoredObject['object'], options: DeleteOptions): WritableObject {
  const draft = structuredClone(before) as WritableObject
  const meta = draft.metadata
  delete meta.resourceVersion
  const finalizers = finalizersFor(meta.finalizers ?? [], options)
  if (finalizers.length > 0) meta.finalizers = finalizers
  else delete meta.finalizers

  const grace = resource.strategy.gracePeriodSeconds(before, options.gracePeriodSeconds)
  const earlier = meta.deletionTimestamp === undefined ? undefined : (meta.deletionGracePeriodSeconds ?? 0)
  // A second request may shorten the grace, never lengthen it.
  if (earlier !== undefined && grace >= earlier) return draft
  const start = earlier === undefined ? Date.now() : Date.parse(meta.deletionTimestamp!) - earlier * 1000
  meta.deletionTimestamp = timeText(start + grace * 1000)
  meta.deletionGracePeriodSeconds = grace
  if (earlier === undefined && meta.generation !== undefined) meta.generation += 1
  if (draft.kind === 'Namespace') draft.status = { ...(draft.status as object | undefined), phase: 'Terminating' }
  return draft
}

function finalizersFor(finalizers: readonly string[], { propagationPolicy, orphanDependents }: DeleteOptions): string[] {
  const policy = propagationPolicy ?? (orphanDependents === undefined ? undefined : orphanDependents ? 'Orphan' : 'Background')
  if (policy === undefined) return [...finalizers]
  const others = finalizers.filter(finalizer => !deletionFinalizers.includes(finalizer))
  if (policy === 'Foreground') return [...others, 'foregroundDeletion']
  return policy === 'Orphan' ? [...others, 'orphan'] : others
}

function generatedName(prefix: string): string {
  const suffix = [...randomBytes(5)].map(byte => nameAlphabet[byte % nameAlphabet.length]).join('')
  return `${prefix.slice(0, longestPrefix)}${suffix}`
}
