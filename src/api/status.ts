import type { ErrorCode } from '../base/errors/codes.js'
import { PodwireError } from '../base/errors/podwire-error.js'
import { causeOf, type FieldProblem } from './field-problem.js'
import type { Status, StatusDetails } from './generated/types.js'
import { type ApplyConflict, conflictMessage } from './managed-fields.js'

/** Names a resource in a refusal: `pods`, `deployments.apps`. */
interface Named {
  readonly group: string
  readonly resource: string
  readonly kind: string
}

interface Refusal {
  readonly http: number
  readonly reason: string
  readonly message: string
  readonly details?: StatusDetails
  /** Where a list may go on. */
  readonly token?: string
  readonly code?: ErrorCode
}

/** An error that the API server answers with this Status; wording and reasons are upstream's (apimachinery, pkg/api/errors). */
export function refusal({ http, reason, message, details, token, code = 'API_REFUSED' }: Refusal, cause?: unknown): PodwireError {
  const status: Status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: { ...(token !== undefined && { continue: token }) },
    status: 'Failure',
    message,
    reason,
    ...(details && { details }),
    code: http,
  }
  return new PodwireError(code, message, { cause: Object.assign(status, cause === undefined ? {} : { [origin]: cause }) })
}

/** Where a refusal keeps the error it was made from: for logs, never for the answer. */
export const origin = Symbol('origin')

/** The Status to answer an error with. What is no refusal is a defect of ours: 500, without its inner words. */
export function statusOf(error: unknown): Status {
  if (error instanceof PodwireError && isStatus(error.cause)) return error.cause
  return statusOf(internalError('an internal error occurred; the server has logged it', error))
}

const isStatus = (value: unknown): value is Status =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Status' && 'code' in value

const qualified = ({ group, resource }: Named): string => (group === '' ? resource : `${resource}.${group}`)
const details = ({ group, resource }: Named, name: string): StatusDetails => ({ name, ...(group !== '' && { group }), kind: resource })

export const notFound = (resource: Named, name: string): PodwireError =>
  refusal({
    http: 404,
    reason: 'NotFound',
    message: `${qualified(resource)} "${name}" not found`,
    details: details(resource, name),
    code: 'NOT_FOUND',
  })

export const unknownPath = (): PodwireError =>
  refusal({ http: 404, reason: 'NotFound', message: 'the server could not find the requested resource', details: {}, code: 'NOT_FOUND' })

export const alreadyExists = (resource: Named, name: string): PodwireError =>
  refusal({
    http: 409,
    reason: 'AlreadyExists',
    message: `${qualified(resource)} "${name}" already exists`,
    details: details(resource, name),
    code: 'ALREADY_EXISTS',
  })

export const conflict = (
  resource: Named,
  name: string,
  why = 'the object has been modified; please apply your changes to the latest version and try again',
): PodwireError =>
  refusal({
    http: 409,
    reason: 'Conflict',
    message: `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    details: details(resource, name),
    code: 'CONFLICT',
  })

/** 409 with every field that another manager owns as a cause. */
export const applyConflict = (conflicts: readonly ApplyConflict[]): PodwireError =>
  refusal({
    http: 409,
    reason: 'Conflict',
    message: conflictMessage(conflicts),
    details: {
      causes: conflicts.map(({ manager, field }) => ({ reason: 'FieldManagerConflict', message: `conflict with ${manager}`, field })),
    },
    code: 'CONFLICT',
  })

export const forbiddenRequest = (resource: Named, name: string, why: string): PodwireError =>
  refusal({
    http: 403,
    reason: 'Forbidden',
    message: `${qualified(resource)}${name === '' ? '' : ` "${name}"`} is forbidden: ${why}`,
    details: details(resource, name),
  })

/** 422 with every problem as a cause. */
export function invalidObject(resource: Named, name: string, problems: readonly FieldProblem[]): PodwireError {
  const texts = problems.map(({ field, message }) => `${field}: ${message}`)
  const subject = resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`
  return refusal({
    http: 422,
    reason: 'Invalid',
    message: `${subject} "${name}" is invalid: ${texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`}`,
    details: {
      name,
      ...(resource.group !== '' && { group: resource.group }),
      kind: resource.kind,
      causes: problems.map(causeOf),
    },
  })
}

export const badRequest = (message: string, cause?: unknown): PodwireError => refusal({ http: 400, reason: 'BadRequest', message }, cause)

export const unauthorized = (): PodwireError => refusal({ http: 401, reason: 'Unauthorized', message: 'Unauthorized' })

export const methodNotSupported = (resource: Named, verb: string): PodwireError =>
  refusal({
    http: 405,
    reason: 'MethodNotAllowed',
    message: `${verb} is not supported on resources of kind "${qualified(resource)}"`,
    details: { ...(resource.group !== '' && { group: resource.group }), kind: resource.resource },
  })

export const unsupportedMediaType = (accepted: readonly string[]): PodwireError =>
  refusal({
    http: 415,
    reason: 'UnsupportedMediaType',
    message: `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  })

export const notAcceptable = (accepted: readonly string[]): PodwireError =>
  refusal({
    http: 406,
    reason: 'NotAcceptable',
    message: `only the following media types are accepted: ${accepted.join(', ')}`,
  })

export const tooLarge = (limit: number): PodwireError =>
  refusal({ http: 413, reason: 'RequestEntityTooLarge', message: `Request entity too large: limit is ${limit}` })

/** `token` goes on where a list broke off. */
export const expired = (message: string, token?: string): PodwireError =>
  refusal({ http: 410, reason: 'Expired', message, ...(token !== undefined && { token }), code: 'REVISION_TOO_OLD' })

/** A version that nobody has written yet; upstream lets the client try again. */
export const tooLargeVersion = (wanted: number, current: number): PodwireError =>
  refusal({
    http: 504,
    reason: 'Timeout',
    message: `Timeout: Too large resource version: ${wanted}, current: ${current}`,
    details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }], retryAfterSeconds: 1 },
  })

export const internalError = (message: string, cause?: unknown): PodwireError =>
  refusal({ http: 500, reason: 'InternalError', message: `Internal error occurred: ${message}`, code: 'INTERNAL' }, cause)
