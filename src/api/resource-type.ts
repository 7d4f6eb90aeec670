import type { ApiResource } from './api-resource.js'
import type { Decoded } from './decode-object.js'
import type { FieldProblem } from './field-problem.js'
import type { ObjectMeta } from './generated/types.js'
import type { Draft, JsonObject } from './json.js'
import type { NameCheck } from './name-format.js'
import type { FieldSchema, SubresourceFacts } from './schema.js'

/** Any object the API serves. */
export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: ObjectMeta
}

/** A row of the resource table: everything the handlers must know of a resource. Built-in resources, CRDs and our own kinds are the same. */
export interface ResourceType<T extends KubeObject = KubeObject> extends ApiResource<T> {
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly verbs: readonly string[]
  /** Only those that are served. */
  readonly subresources: readonly SubresourceFacts[]
  readonly strategy: Strategy<T>
  readonly columns: readonly TableColumn<T>[]
  /** For whoever uses this resource or this version of it. */
  readonly warnings: readonly string[]
  /** What the facts do not say; set for resources that a CustomResourceDefinition describes. */
  readonly custom?: CustomBehaviour
  /** Set where the object is stored as another resource's: another version of it, or the same thing in another group. */
  readonly storedAs?: StoredForm<T>
}

/** The form in which the store keeps an object that is served in several. Kind and apiVersion need no converting, metadata only where it says otherwise. */
export interface StoredForm<T extends KubeObject = KubeObject> {
  readonly resource: ApiResource
  toStored(object: T): KubeObject
  fromStored(object: KubeObject): T
}

/** How objects of a custom resource are read, stored and described. */
export interface CustomBehaviour {
  /** How an object divides into fields that may have different owners. */
  readonly schema: FieldSchema
  /** The version in which objects are stored. */
  readonly storageVersion: string
  readonly listKind: string
  readonly scale?: ScalePaths
  /** Reads a body: what the schema does not know is left out. */
  decode(value: JsonObject): Decoded
  /** A stored object, of whatever version, as this version shows it. */
  serve(object: JsonObject): JsonObject
  /** Its type and the type of its lists as OpenAPI has them, by their names. */
  openApi(version: 2 | 3): Readonly<Record<string, JsonObject>>
}

/** Where a custom resource keeps what a Scale shows; each the names of nested fields. */
export interface ScalePaths {
  readonly specReplicas: readonly string[]
  readonly statusReplicas: readonly string[]
  readonly labelSelector: readonly string[] | undefined
}

export const fieldSchemaOf = ({ custom, typePath }: Pick<ResourceType, 'custom' | 'typePath'>): FieldSchema =>
  custom?.schema ?? { ref: typePath }

/**
 * How objects of one resource behave on their way into the store. Pure: what needs the store (allocation of addresses, names that
 * must exist) is the API server's business.
 */
export interface Strategy<T extends KubeObject> {
  readonly checkName: NameCheck
  /** Counts changes of everything but metadata and status in metadata.generation. */
  readonly hasGeneration: boolean
  /** A status in a create request stays, as a kubelet's in its Node. */
  readonly keepsStatusOnCreate: boolean
  /** Fills fields the writer left out. Runs on every write, before validation. */
  setDefaults(object: Draft<T>): void
  /** Sets what a writer may not set at creation: the first status. */
  prepareCreate(object: Draft<T>): void
  /** Carries over what an update may leave out. */
  prepareUpdate(object: Draft<T>, previous: T): void
  validate(object: T): FieldProblem[]
  /** Only what is wrong with the change; `validate` runs as well. */
  validateUpdate(object: T, previous: T): FieldProblem[]
  /** Put on an object when its deletion is asked for first. */
  readonly finalizersOnDelete?: readonly string[]
  /** Fields that field selectors may name, besides metadata.name and metadata.namespace. */
  selectableFields(object: T): Readonly<Record<string, string>>
  /** Seconds between the request to delete and removal; 0 removes at once. `requested` comes from the delete options. */
  gracePeriodSeconds(object: T, requested: number | undefined): number
}

/** One column of the Tables that kubectl prints. */
export interface TableColumn<T extends KubeObject = KubeObject> {
  readonly name: string
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  readonly format?: string
  /** 0 is always shown, more only with `-o wide`. */
  readonly priority: number
  readonly description: string
  cell(object: T, now: number): string | number | boolean | null
}
