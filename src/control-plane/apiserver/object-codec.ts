import { type ApiResource, apiVersionOf, type ObjectKey } from '../../api/api-resource.js'
import type { ObjectMeta } from '../../api/generated/types.js'
import type { JsonObject } from '../../api/json.js'
import type { KubeObject, ResourceType } from '../../api/resource-type.js'
import type { StoredEntry } from '../store/store.js'

/** Below this prefix of the store lie the objects, and nothing else. */
export const objectsPrefix = '/registry/'

const storedResource = (resource: ResourceType): ApiResource =>
  resource.storedAs?.resource ?? { ...resource, version: resource.custom?.storageVersion ?? resource.version }

/** The prefix of all keys of a resource, or of those in one namespace. */
export function collectionPrefix(served: ResourceType, namespace?: string): string {
  const { group, resource } = served.storedAs?.resource ?? served
  return `${objectsPrefix}${group || 'core'}/${resource}/${namespace === undefined ? '' : `${namespace}/`}`
}

export const objectStoreKey = (resource: ResourceType, { namespace, name }: ObjectKey): string =>
  `${collectionPrefix(resource, resource.namespaced ? (namespace ?? '') : undefined)}${name}`

/** An object as it was at one revision, with the bytes to serve. */
export interface StoredObject {
  /** Its key in the store. */
  readonly key: string
  readonly revision: number
  readonly object: KubeObject & { readonly metadata: ObjectMeta }
  /** The object as JSON, with its resourceVersion. */
  readonly bytes: Buffer
}

const metadataStart = '"metadata":{'

/**
 * The bytes that the store keeps: JSON with kind, apiVersion and metadata first and without resourceVersion, which is not known
 * before the commit. `decodeStored` puts it in without parsing, so an object is serialised once in its life.
 */
export function encodeStored(resource: ResourceType, object: KubeObject): Buffer {
  const { kind: _, apiVersion: __, metadata: all = object.metadata, ...rest } = resource.storedAs?.toStored(object) ?? object
  const { resourceVersion: ___, ...metadata } = all ?? {}
  const home = storedResource(resource)
  return Buffer.from(JSON.stringify({ kind: home.kind, apiVersion: apiVersionOf(home), metadata, ...rest }))
}

export const decodeStored = ({ key, value, modRevision }: StoredEntry): StoredObject => atRevision(key, Buffer.from(value), modRevision)

/** An object from the store as its resource serves it. */
export const decodeServed = (resource: ResourceType, entry: StoredEntry): StoredObject => servedAs(resource, decodeStored(entry))

/** A stored object as a version of its resource serves it. */
export function servedAs(resource: ResourceType, stored: StoredObject): StoredObject {
  const object = inServedForm(resource, stored.object)
  return object === stored.object ? stored : { ...stored, object, bytes: Buffer.from(JSON.stringify(object)) }
}

function inServedForm(resource: ResourceType, stored: StoredObject['object']): StoredObject['object'] {
  const { custom, storedAs } = resource
  if (custom) return custom.serve(stored as unknown as JsonObject) as unknown as StoredObject['object']
  if (!storedAs) return stored
  const { kind: _, apiVersion: __, metadata = stored.metadata, ...rest } = storedAs.fromStored(stored)
  return { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata, ...rest } as StoredObject['object']
}

/** The last state of a deleted object, as of the revision that deleted it. */
export const withRevision = (stored: StoredObject, revision: number): StoredObject => {
  const object = { ...stored.object, metadata: { ...stored.object.metadata, resourceVersion: String(revision) } }
  return { ...stored, revision, object, bytes: Buffer.from(JSON.stringify(object)) }
}

function atRevision(key: string, value: Buffer, revision: number): StoredObject {
  const at = value.indexOf(metadataStart) + metadataStart.length
  const bytes = Buffer.concat([value.subarray(0, at), Buffer.from(`"resourceVersion":"${revision}",`), value.subarray(at)])
  return { key, revision, bytes, object: JSON.parse(bytes.toString()) }
}

/** An object as it would be stored: what a dry run answers. */
export const asStored = (resource: ResourceType, key: string, object: KubeObject, revision: number): StoredObject =>
  decodeServed(resource, { key, value: encodeStored(resource, object), createRevision: revision, modRevision: revision })
