import type { ObjectKey } from '../../api/api-resource.js'
import type { DeleteOptions, ObjectMeta } from '../../api/generated/types.js'
import type { Draft, JsonObject } from '../../api/json.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import type { Commit } from '../store/store.js'
import type { StoredObject } from './object-codec.js'

/** An object being written: metadata is always there. */
export type WritableObject = Draft<KubeObject> & { metadata: Draft<ObjectMeta>; spec?: unknown; status?: unknown }

/** What others have a say in before a write is committed; a write that is tried again asks them again. */
export interface Admission {
  /** May change `object`, and throws what refuses it. Runs before the object is validated. */
  mutate(operation: 'CREATE' | 'UPDATE', object: WritableObject, previous: KubeObject | undefined): Promise<void>
  /** Throws what refuses the write; returns what must be committed with it. Runs when the object is as it will be stored. */
  validate(operation: 'CREATE' | 'UPDATE' | 'DELETE', object: WritableObject, previous: KubeObject | undefined): Promise<Commit>
}

export interface UpdateRequest {
  readonly resource: ResourceType
  readonly at: ObjectKey
  /** None and `scale` change all but the status, `status` nothing else; `binding` and `finalize` have made sure of what they change. */
  readonly subresource?: string | undefined
  readonly dryRun: boolean
  /** Who shall own the changed fields in metadata.managedFields; without it, ownership stays as it is. */
  readonly manager?: string | undefined
  readonly admission?: Admission | undefined
  /** What the object is to become. Runs again when another writer was faster. */
  change(current: KubeObject): WritableObject | Promise<WritableObject>
}

export interface CreateOptions {
  readonly dryRun: boolean
  readonly admission?: Admission | undefined
  readonly manager?: string | undefined
}

export interface ApplyRequest {
  readonly resource: ResourceType
  readonly at: ObjectKey
  readonly subresource?: string | undefined
  readonly dryRun: boolean
  readonly admission?: Admission | undefined
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
  readonly admission?: Admission | undefined
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
