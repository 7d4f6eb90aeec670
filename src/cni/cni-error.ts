import type { ErrorCode } from '../base/errors/codes.js'
import { PodwireError } from '../base/errors/podwire-error.js'

/** Error codes of the CNI specification (1.1.0, section 5), and ours from 100 on. */
export const cniErrorCodes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  badEnvironment: 4,
  inputOutput: 5,
  undecodable: 6,
  badConfig: 7,
  tryAgainLater: 11,
  notAvailable: 50,
  limitedConnectivity: 51,
  interfaceExists: 100,
  addressExhausted: 101,
  kernelRefused: 102,
  checkFailed: 103,
  addressInUse: 104,
  internal: 110,
} as const
export type CniErrorCode = (typeof cniErrorCodes)[keyof typeof cniErrorCodes]

/** The error object that a failed call prints on standard output. */
export interface CniErrorAnswer {
  readonly cniVersion: string
  readonly code: number
  readonly msg: string
  readonly details?: string
}

/** An error that answers with `code`, one of ours or of a plugin that we called; `details` goes into the answer's field of that name. */
export function cniError(code: number, message: string, details?: string): PodwireError {
  return new PodwireError('CNI_REFUSED', message, { cause: { cniErrorCode: code }, ...(details === undefined ? {} : { hint: details }) })
}

const codeOfError: Partial<Record<ErrorCode, CniErrorCode>> = {
  CONFIG_INVALID: cniErrorCodes.badConfig,
  NOT_FOUND: cniErrorCodes.unknownContainer,
  ADDRESS_EXHAUSTED: cniErrorCodes.addressExhausted,
  KERNEL_REFUSED: cniErrorCodes.kernelRefused,
  KERNEL_UNSUPPORTED: cniErrorCodes.kernelRefused,
  ABORTED: cniErrorCodes.tryAgainLater,
}

/** What a call that failed with `error` answers. */
export function cniErrorAnswer(error: unknown, cniVersion: string): CniErrorAnswer {
  if (!(error instanceof PodwireError)) {
    const isSystem = error instanceof Error && 'syscall' in error
    const code = isSystem ? cniErrorCodes.inputOutput : cniErrorCodes.internal
    return { cniVersion, code, msg: error instanceof Error ? error.message : String(error) }
  }
  const { code, message, hint, cause } = error
  const own = typeof cause === 'object' && cause !== null && 'cniErrorCode' in cause ? Number(cause.cniErrorCode) : undefined
  return {
    cniVersion,
    code: own ?? codeOfError[code] ?? cniErrorCodes.internal,
    msg: message,
    ...(hint === undefined ? {} : { details: hint }),
  }
}
