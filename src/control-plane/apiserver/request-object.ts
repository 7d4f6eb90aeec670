import { apiVersionOf } from '../../api/api-resource.js'
import { type Decoded, decodeObject } from '../../api/decode-object.js'
import { invalid } from '../../api/field-problem.js'
import { isJsonObject, type JsonObject, type JsonValue } from '../../api/json.js'
import { applyJsonPatch } from '../../api/json-patch.js'
import { applyMergePatch } from '../../api/merge-patch.js'
import type { CustomBehaviour, KubeObject, ResourceType } from '../../api/resource-type.js'
import { badRequest, invalidObject, unsupportedMediaType } from '../../api/status.js'
import { applyStrategicMergePatch } from '../../api/strategic-merge-patch.js'
import type { WritableObject } from './object-writer.js'
import type { Body } from './request-body.js'
import type { FieldValidation } from './request-options.js'

/** What a body must be. */
export interface Expected {
  readonly apiVersion: string
  readonly kind: string
  readonly typePath: string
  /** Set for custom resources: what no facts describe. */
  readonly custom?: CustomBehaviour | undefined
}

export const expectedOf = (resource: ResourceType): Expected => ({
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
  typePath: resource.typePath,
  custom: resource.custom,
})

const decode = (value: JsonObject, { typePath, custom }: Expected): Decoded => custom?.decode(value) ?? decodeObject(value, typePath)

/** Reads a body as the kind it must be. Throws 400 for another kind, a value of a wrong type, and what Strict forbids. */
export function objectOfBody(
  { value, duplicateFields }: Body,
  expected: Expected,
  validation: FieldValidation,
): { readonly object: JsonObject; readonly warnings: readonly string[] } {
  if (!isJsonObject(value)) throw badRequest('the body of the request must be an object')
  refuseOtherKind(value, expected)
  const { object, unknownFields, problem } = decode(value, expected)
  const subject = `${expected.kind} in version ${JSON.stringify(expected.apiVersion.split('/').at(-1))} cannot be handled as a ${expected.kind}`
  if (problem !== undefined) throw badRequest(`${subject}: ${problem}`)
  const complaints = complaintsOf(unknownFields, duplicateFields)
  if (validation === 'Strict' && complaints.length > 0) throw badRequest(`${subject}: strict decoding error: ${complaints.join(', ')}`)
  return { object, warnings: validation === 'Ignore' ? [] : complaints }
}

const complaintsOf = (unknownFields: readonly string[], duplicateFields: readonly string[]): string[] => [
  ...duplicateFields.map(field => `duplicate field ${JSON.stringify(field)}`),
  ...unknownFields.map(field => `unknown field ${JSON.stringify(field)}`),
]

function refuseOtherKind({ apiVersion, kind }: JsonObject, expected: Expected): void {
  if (kind !== undefined && kind !== '' && kind !== expected.kind) {
    throw badRequest(`the object provided is unrecognized (must be of type ${expected.kind}): it is of kind ${JSON.stringify(kind)}`)
  }
  if (apiVersion !== undefined && apiVersion !== '' && apiVersion !== expected.apiVersion) {
    throw badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${expected.apiVersion})`)
  }
}

export const applyType = 'application/apply-patch+yaml'
const strategicType = 'application/strategic-merge-patch+json'
const patchTypes = ['application/json-patch+json', 'application/merge-patch+json', strategicType, applyType]

/** Reads the body of a server-side apply. Throws 400 for what no manager could own. */
export function appliedConfiguration(body: Body, expected: Expected, validation: FieldValidation): JsonObject {
  const { object, warnings } = objectOfBody(body, expected, validation === 'Ignore' ? 'Warn' : validation)
  const { apiVersion, kind, metadata } = isJsonObject(body.value) ? body.value : {}
  if (!apiVersion || !kind) throw badRequest('an applied configuration must have apiVersion and kind')
  if (isJsonObject(metadata) && metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil')
  const [problem] = warnings
  if (problem !== undefined) {
    const subject = `failed to create typed patch object (${nameIn(object)}; ${expected.apiVersion}, Kind=${expected.kind})`
    throw badRequest(`${subject}: ${problem}: field not declared in schema`)
  }
  return object
}

/** Applies a patch of any kind but server-side apply to an object as it is served. Throws 415 for other media types. */
export function patched(document: JsonObject, patch: JsonValue, mediaType: string, { typePath, custom }: Expected): JsonObject {
  // A strategic merge needs merge keys, which schemas of custom resources do not have.
  if (custom && mediaType === strategicType) throw unsupportedMediaType(patchTypes.filter(type => type !== strategicType))
  const result = applyPatch(document, patch, mediaType, typePath)
  if (!isJsonObject(result)) throw badRequest('the patch makes something that is no object')
  return result
}

function applyPatch(document: JsonObject, patch: JsonValue, mediaType: string, typePath: string): JsonValue {
  switch (mediaType) {
    case 'application/json-patch+json':
      return applyJsonPatch(document, patch)
    case 'application/merge-patch+json':
      return applyMergePatch(document, objectPatch(patch))
    case strategicType:
      return applyStrategicMergePatch(document, objectPatch(patch), typePath)
    default:
      throw unsupportedMediaType(patchTypes)
  }
}

function objectPatch(patch: JsonValue): JsonObject {
  if (isJsonObject(patch)) return patch
  throw badRequest('the patch must be an object')
}

/** Reads what a patch has made; unknown fields can only come from the patch. */
export function objectOfPatch(
  result: JsonObject,
  patch: Body,
  expected: Expected,
  validation: FieldValidation,
): { readonly object: JsonObject; readonly warnings: readonly string[] } {
  const { object, unknownFields, problem } = decode(result, expected)
  const problems = complaintsOf(unknownFields, patch.duplicateFields)
  const strict = validation === 'Strict' && problems.length > 0
  if (problem !== undefined || strict) {
    const detail = problem ?? `strict decoding error: ${problems.join(', ')}`
    throw invalidObject({ group: '', resource: '', kind: '' }, '', [invalid('patch', JSON.stringify(patch.value), detail)])
  }
  return { object, warnings: validation === 'Ignore' ? [] : problems }
}

const nameIn = ({ metadata }: JsonObject): string => (isJsonObject(metadata) && typeof metadata.name === 'string' ? metadata.name : '')

/** An object as handlers write it: with metadata. */
export const writable = (object: JsonObject): WritableObject =>
  ({ ...object, metadata: isJsonObject(object.metadata) ? { ...object.metadata } : {} }) as unknown as WritableObject

/** An object as JSON, to be patched. */
export const asJson = (object: KubeObject): JsonObject => structuredClone(object) as unknown as JsonObject
