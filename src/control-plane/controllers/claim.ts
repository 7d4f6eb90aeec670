import type { ApiResource } from '../../api/api-resource.js'
import type { LabelSelector } from '../../api/generated/types.js'
import { controllerOf, controllerReference } from '../../api/owners.js'
import { matchesLabels, requirementsOf } from '../../api/selector.js'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import type { ApiObject, Client } from '../../client/client.js'

interface Claim<T> {
  readonly client: Client
  readonly owner: ApiObject
  readonly ownerResource: ApiResource<ApiObject>
  readonly selector: LabelSelector
  readonly resource: ApiResource<T>
  /** Objects of the owner's namespace. */
  readonly candidates: readonly T[]
}

/**
 * The objects that belong to `owner`. Orphans that its selector matches are adopted, objects of its own that it matches no more are
 * let go, those of others are left alone. Errors: the client's.
 */
export async function claimObjects<T extends ApiObject>(
  { client, owner, ownerResource, selector, resource, candidates }: Claim<T>,
  signal: AbortSignal,
): Promise<readonly T[]> {
  const requirements = requirementsOf(selector)
  const uid = owner.metadata?.uid
  const isGoing = owner.metadata?.deletionTimestamp !== undefined
  let mayAdopt: Promise<boolean> | undefined

  const setOwners = async (object: T, ownerReferences: unknown): Promise<T | undefined> => {
    const { namespace, name = '', uid } = object.metadata ?? {}
    try {
      return await client.patch(resource, { namespace, name }, { metadata: { uid, ownerReferences } }, { type: 'merge' }, signal)
    } catch (error) {
      if (isPodwireError(error, 'NOT_FOUND')) return undefined
      throw error
    }
  }

  const claim = async (object: T): Promise<T | undefined> => {
    const isMatch = matchesLabels(requirements, object.metadata?.labels)
    const references = object.metadata?.ownerReferences ?? []
    const controller = controllerOf(object)
    if (controller) {
      if (controller.uid !== uid) return undefined
      if (isMatch || isGoing) return object
      await setOwners(
        object,
        references.filter(reference => reference.uid !== uid),
      )
      return undefined
    }
    if (!isMatch || isGoing || object.metadata?.deletionTimestamp !== undefined) return undefined
    mayAdopt ??= isStillWanted(client, ownerResource, owner, signal)
    return (await mayAdopt) ? setOwners(object, [...references, controllerReference(ownerResource, owner)]) : undefined
  }
  const claimed = await Promise.all(candidates.map(claim))
  return claimed.filter(object => object !== undefined)
}

/** Our copy of the owner may be old; whoever is gone or going must not adopt. */
async function isStillWanted(client: Client, resource: ApiResource<ApiObject>, owner: ApiObject, signal: AbortSignal): Promise<boolean> {
  const { namespace, name = '' } = owner.metadata ?? {}
  try {
    const { metadata } = await client.get(resource, { namespace, name }, signal)
    return metadata?.uid === owner.metadata?.uid && metadata?.deletionTimestamp === undefined
  } catch (error) {
    if (isPodwireError(error, 'NOT_FOUND')) return false
    throw error
  }
}
