import type { Status } from '../api/generated/types.js'
import type { ErrorCode } from '../base/errors/codes.js'
import { PodwireError } from '../base/errors/podwire-error.js'

const codeOfReason: Readonly<Record<string, ErrorCode>> = {
  NotFound: 'NOT_FOUND',
  AlreadyExists: 'ALREADY_EXISTS',
  Conflict: 'CONFLICT',
  Expired: 'REVISION_TOO_OLD',
  Gone: 'REVISION_TOO_OLD',
}
const codeOfHttpStatus: Readonly<Record<number, ErrorCode>> = { 404: 'NOT_FOUND', 409: 'CONFLICT', 410: 'REVISION_TOO_OLD' }

/** The error for a request that the server answered with a Status; `cause` is that Status. */
export function errorOfStatus(status: Status, request: string): PodwireError {
  const code = codeOfReason[status.reason ?? ''] ?? codeOfHttpStatus[status.code ?? 0] ?? 'API_REFUSED'
  return new PodwireError(code, `${request}: ${status.message ?? status.reason ?? `HTTP ${status.code}`}`, { cause: status })
}

/** The error for an answer with an HTTP error status; a body that is no Status, as a proxy's, becomes the message. */
export function errorOfAnswer(answer: { readonly status: number; readonly body: string }, request: string): PodwireError {
  return errorOfStatus(
    parseStatus(answer.body) ?? { kind: 'Status', code: answer.status, message: answer.body.trim() || `HTTP ${answer.status}` },
    request,
  )
}

/** The server's Status behind an error of the client, if it came from the server. */
export function statusOf(error: unknown): Status | undefined {
  return error instanceof PodwireError && isStatus(error.cause) ? error.cause : undefined
}

function parseStatus(body: string): Status | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return isStatus(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isStatus = (value: unknown): value is Status =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Status'
