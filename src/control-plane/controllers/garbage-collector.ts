import type { ObjectKey } from '../../api/api-resource.js'
import type { OwnerReference } from '../../api/generated/types.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { ApiObject } from '../../client/client.js'
import type { Collection, Collections } from './collections.js'
import { type Controller, type ControllerParts, keyedController } from './controller.js'
import { onObjectChange } from './object-changes.js'

const foreground = 'foregroundDeletion'
const orphan = 'orphan'

interface Parts extends ControllerParts {
  readonly collections: Collections
}

interface Found {
  readonly collection: Collection
  readonly object: ApiObject
}

/**
 * Deletes what its owners no longer hold: objects all of whose owners are gone, and before that the dependents of an owner that is
 * deleted in the foreground; frees the dependents of an owner that is deleted as orphaning.
 */
export function garbageCollector(parts: Parts): Controller {
  const { client, collections } = parts
  const objects = new Map<string, Found>()
  const dependents = new Map<string, Set<string>>()

  const dependentsOf = (uid: string): readonly Found[] => [...(dependents.get(uid) ?? [])].flatMap(other => objects.get(other) ?? [])

  function index(collection: Collection, before: ApiObject | undefined, after: ApiObject | undefined): void {
    const uid = (after ?? before)?.metadata?.uid ?? ''
    for (const owner of before?.metadata?.ownerReferences ?? []) {
      dependents.get(owner.uid)?.delete(uid)
      if (dependents.get(owner.uid)?.size === 0) dependents.delete(owner.uid)
    }
    for (const owner of after?.metadata?.ownerReferences ?? []) {
      dependents.set(owner.uid, (dependents.get(owner.uid) ?? new Set()).add(uid))
    }
    if (after) objects.set(uid, { collection, object: after })
    else objects.delete(uid)
  }

  /** The owner as the server has it, when it is the one meant. Our copies may not show yet what is there. */
  async function findOwner(
    owner: OwnerReference,
    namespace: string | undefined,
    signal: AbortSignal,
  ): Promise<ApiObject | 'unknown kind' | undefined> {
    const known = objects.get(owner.uid)
    if (known) return known.object
    const collection = collections
      .all()
      .find(({ resource }) => resource.kind === owner.kind && resource.group === groupOf(owner.apiVersion))
    if (!collection) return 'unknown kind' // Whoever serves that kind must say when it is gone.
    try {
      const found = await client.get(collection.resource, placeOf(collection, namespace, owner.name), signal)
      return found.metadata?.uid === owner.uid ? found : undefined
    } catch (error) {
      if (isPodwireError(error, 'NOT_FOUND')) return undefined
      throw error
    }
  }

  async function collect({ collection, object }: Found, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', uid = '', ownerReferences = [], finalizers = [] } = object.metadata ?? {}
    if (ownerReferences.length === 0) return
    const found = await Promise.all(ownerReferences.map(owner => findOwner(owner, namespace, signal)))
    const isGoing = (owner: (typeof found)[number], reference: OwnerReference) =>
      typeof owner === 'object' &&
      owner.metadata?.deletionTimestamp !== undefined &&
      owner.metadata.finalizers?.includes(foreground) === true &&
      reference.blockOwnerDeletion === true
    const absent = ownerReferences.filter((_, i) => found[i] === undefined)
    const waiting = ownerReferences.filter((reference, i) => isGoing(found[i], reference))
    const isHeld = absent.length + waiting.length < ownerReferences.length
    if (absent.length + waiting.length === 0) return
    const at = placeOf(collection, namespace, name)
    await ignoreGone(async () => {
      if (isHeld) {
        const kept = ownerReferences.filter(reference => !absent.includes(reference) && !waiting.includes(reference))
        await client.patch(collection.resource, at, { metadata: { uid, ownerReferences: kept } }, { type: 'merge' }, signal)
        return
      }
      if (object.metadata?.deletionTimestamp !== undefined) return
      // Whoever waits in the foreground for this object waits for its own dependents as well.
      const policy = waiting.length > 0 && dependentsOf(uid).length > 0 ? 'Foreground' : undefined
      const kept = finalizers.includes(orphan) ? 'Orphan' : finalizers.includes(foreground) ? 'Foreground' : 'Background'
      await client.delete(collection.resource, at, { uid, propagationPolicy: policy ?? kept }, signal)
    })
  }

  /** The owner goes when nothing is left that holds it. */
  async function finishForeground({ collection, object }: Found, signal: AbortSignal): Promise<void> {
    const { uid = '' } = object.metadata ?? {}
    const blocking = dependentsOf(uid).filter(({ object: dependent }) =>
      dependent.metadata?.ownerReferences?.some(owner => owner.uid === uid && owner.blockOwnerDeletion === true),
    )
    if (blocking.length === 0) await removeFinalizer(collection, object, foreground, signal)
  }

  async function freeDependents({ collection, object }: Found, signal: AbortSignal): Promise<void> {
    const { uid = '' } = object.metadata ?? {}
    await Promise.all(
      dependentsOf(uid).map(({ collection: { resource, informer }, object: { metadata = {} } }) =>
        ignoreGone(async () => {
          const ownerReferences = metadata.ownerReferences?.filter(owner => owner.uid !== uid) ?? []
          const at = placeOf({ resource, informer }, metadata.namespace, metadata.name ?? '')
          await client.patch(resource, at, { metadata: { uid: metadata.uid, ownerReferences } }, { type: 'merge' }, signal)
        }),
      ),
    )
    await removeFinalizer(collection, object, orphan, signal)
  }

  async function removeFinalizer(collection: Collection, object: ApiObject, finalizer: string, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', resourceVersion, finalizers = [] } = object.metadata ?? {}
    const kept = finalizers.filter(other => other !== finalizer)
    // With the version, since another may be taking its own finalizer away.
    const patch = { metadata: { resourceVersion, finalizers: kept } }
    await ignoreGone(() => client.patch(collection.resource, placeOf(collection, namespace, name), patch, { type: 'merge' }, signal))
  }

  return keyedController({
    name: 'garbage-collector',
    parts,
    workers: 8,
    reads: collections.builtIn.map(({ informer }) => informer),
    watch(queue) {
      collections.onFollow(collection => {
        onObjectChange(collection.informer, (before, after) => {
          index(collection, before, after)
          const { uid = '', deletionTimestamp, ownerReferences = [] } = (after ?? before)?.metadata ?? {}
          if (after && (ownerReferences.length > 0 || deletionTimestamp !== undefined)) queue.add(uid)
          if (!after || deletionTimestamp !== undefined) for (const dependent of dependents.get(uid) ?? []) queue.add(dependent)
          // An owner that waits in the foreground may have waited for this one.
          for (const owner of before?.metadata?.ownerReferences ?? []) if (objects.has(owner.uid)) queue.add(owner.uid)
        })
      })
    },
    async reconcile(uid, _queue, signal) {
      const found = objects.get(uid)
      if (!found) return
      const { deletionTimestamp, finalizers = [] } = found.object.metadata ?? {}
      if (deletionTimestamp !== undefined && finalizers.includes(orphan)) return freeDependents(found, signal)
      if (deletionTimestamp !== undefined && finalizers.includes(foreground)) await finishForeground(found, signal)
      await collect(found, signal)
    },
  })
}

const placeOf = ({ resource }: Collection, namespace: string | undefined, name: string): ObjectKey =>
  resource.namespaced ? { namespace, name } : { name }

/** An owner may be named in any version of its group. */
const groupOf = (apiVersion: string): string => apiVersion.slice(0, Math.max(apiVersion.indexOf('/'), 0))

/** What has gone meanwhile, or been replaced by another of its name, needs nothing more. */
async function ignoreGone(write: () => Promise<unknown>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!isPodwireError(error, 'NOT_FOUND')) throw error
  }
}
