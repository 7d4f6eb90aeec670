import { type ApiResource, apiVersionOf } from './api-resource.js'
import type { ObjectMeta, OwnerReference } from './generated/types.js'

interface Owned {
  readonly metadata?: ObjectMeta
}

/** The reference to the one owner that manages the object, if it has one. */
export const controllerOf = ({ metadata }: Owned): OwnerReference | undefined =>
  metadata?.ownerReferences?.find(({ controller }) => controller)

/** True when `owner` is the object's managing owner. */
export const isControlledBy = (object: Owned, owner: Owned): boolean =>
  owner.metadata?.uid !== undefined && controllerOf(object)?.uid === owner.metadata.uid

/** The reference by which `owner` manages what it makes; foreground deletion of the owner waits for such objects. */
export const controllerReference = (resource: ApiResource, owner: Owned): OwnerReference => ({
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
  name: owner.metadata?.name ?? '',
  uid: owner.metadata?.uid ?? '',
  controller: true,
  blockOwnerDeletion: true,
})
