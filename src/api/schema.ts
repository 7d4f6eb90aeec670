import facts from './facts/kubernetes-v1.36.json' with { type: 'json' }

/** What the facts say of one field; `items` and `values` describe what a list or map holds. */
export interface FieldSchema {
  /** The type's name in the facts, for fields of a named type. */
  readonly ref?: string
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'map' | 'object'
  readonly format?: string
  readonly items?: FieldSchema
  readonly values?: FieldSchema
  /** Fields of a struct that has no name in the facts; `values` then describes those not listed. */
  readonly fields?: Readonly<Record<string, FieldSchema>>
  readonly listType?: 'atomic' | 'set' | 'map'
  readonly listMapKeys?: readonly string[]
  readonly mapType?: 'atomic' | 'granular'
  readonly patchStrategy?: string
  readonly patchMergeKey?: string
  /** The field's number in protobuf. */
  readonly tag?: number
  readonly protoType?: string
}

/** A named type. Types without fields are strings in JSON (`format` says which) or free JSON. */
export interface TypeSchema {
  readonly type?: 'string'
  readonly format?: string
  readonly mapType?: 'atomic' | 'granular'
  readonly fields?: Readonly<Record<string, FieldSchema>>
  readonly required?: readonly string[]
  readonly gvk?: readonly [group: string, version: string, kind: string]
  /** The message's name in protobuf. */
  readonly proto?: string
  readonly unions?: unknown
}

export interface SubresourceFacts {
  readonly name: string
  readonly kind: string
  readonly group?: string
  readonly version?: string
  readonly verbs: readonly string[]
}

export interface ResourceFacts {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly singular: string
  readonly namespaced: boolean
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  readonly verbs: readonly string[]
  readonly subresources?: readonly SubresourceFacts[]
}

interface Facts {
  readonly kubernetes: string
  readonly resources: readonly ResourceFacts[]
  readonly types: Readonly<Record<string, TypeSchema>>
  /** Go-inlined messages: the message's name, then the field that protobuf has and JSON has not. */
  readonly protoInline: Readonly<Record<string, Readonly<Record<string, { readonly tag: number; readonly message: string }>>>>
  readonly protoMessages: Readonly<Record<string, Readonly<Record<string, { readonly tag: number; readonly type?: string }>>>>
}

/** The facts of the public API, as generated from Kubernetes' published description. */
export const apiFacts = facts as unknown as Facts

/** The type of that name, as `io.k8s.api.core.v1.Pod`. */
export const typeSchema = (typePath: string): TypeSchema | undefined => apiFacts.types[typePath]
