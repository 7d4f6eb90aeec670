import { errorCodes } from '../base/errors/codes.js'
import { PodwireError } from '../base/errors/podwire-error.js'

/** What a failed command writes on stderr, and the status it exits with. */
export interface ErrorReport {
  readonly text: string
  readonly exitStatus: 1 | 2 | 3
}

/** `CODE message` and, where there is one, `hint: …`. An error that is not ours is a defect and keeps its stack. */
export function reportError(error: unknown): ErrorReport {
  const known = error instanceof PodwireError ? error : new PodwireError('INTERNAL', stackOf(error), { cause: error })
  const hint = known.hint === undefined ? '' : `\nhint: ${known.hint}`
  return { text: `${known.code} ${known.message}${hint}\n`, exitStatus: errorCodes[known.code].exit }
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))
