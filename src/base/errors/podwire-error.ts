import type { ErrorCode } from './codes.js'

/** What an error carries besides its message. */
export interface PodwireErrorOptions {
  /** What the reader can do about it: one sentence, with the exact command where there is one. */
  readonly hint?: string
  readonly cause?: unknown
}

/**
 * The one error class. `code` is stable and listed in docs/errors.md; `message` names the thing that failed;
 * `hint` says what to do. Foreign errors are classified into it once, at the edge that met them.
 */
export class PodwireError extends Error {
  override readonly name = 'PodwireError'
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: PodwireErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }
}

/** True when `error` is a PodwireError with this code. */
export function isPodwireError(error: unknown, code?: ErrorCode): error is PodwireError {
  return error instanceof PodwireError && (code === undefined || error.code === code)
}
