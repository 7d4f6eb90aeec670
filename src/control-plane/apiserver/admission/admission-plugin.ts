import type { KubeObject, ResourceType } from '../../../api/resource-type.js'
import { forbiddenRequest } from '../../../api/status.js'
import type { Commit } from '../../store/store.js'
import type { User } from '../authentication.js'
import type { WritableObject } from '../object-writer.js'

/** One write on its way into the store. */
export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE'
  readonly user: User
  readonly resource: ResourceType
  /** Empty for the object itself. */
  readonly subresource: string
  readonly dryRun: boolean
  /** What the object is to become; mutating plugins change it. The last state for a DELETE. */
  readonly object: WritableObject
  /** What it was; undefined for a CREATE. */
  readonly previous: KubeObject | undefined
}

/**
 * A step between validation of a request and the store. `mutate` may change the object, `validate` only refuse it; both refuse by throwing.
 * A write may be tried again, so neither keeps anything of its own.
 */
export interface AdmissionPlugin {
  /** Upstream's name. */
  readonly name: string
  mutate?(request: AdmissionRequest): void | Promise<void>
  /** What it returns is committed together with the object, or not at all. */
  validate?(request: AdmissionRequest): Commit | undefined | Promise<Commit | undefined>
}

/** True for the object itself, whatever is done to it. */
export const isAbout = ({ resource, subresource }: AdmissionRequest, group: string, name: string): boolean =>
  subresource === '' && resource.group === group && resource.resource === name

/** 403 in the form that plugins refuse in. */
export const refused = ({ resource, object }: AdmissionRequest, why: string): Error =>
  forbiddenRequest(resource, object.metadata.name ?? object.metadata.generateName ?? '', why)
