/** A failure of set-up: printed as two lines, `CODE message` and `hint: command`, like every error of podwire (docs/errors.md). */
export class SetupFailure extends Error {
  /**
   * @param {'COMMAND_MISSING' | 'KERNEL_UNSUPPORTED' | 'NOT_PERMITTED' | 'SETUP_FAILED' | 'CONFIG_INVALID'} code
   * @param {string} message
   * @param {string} hint the exact command that mends it
   */
  constructor(code, message, hint) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

/**
 * Runs `work`; a SetupFailure ends the process with status 3 (2 for wrong use), any other error keeps its stack.
 * @param {() => unknown} work
 */
export async function orFailure(work) {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error
    console.error(`${error.code} ${error.message}\nhint: ${error.hint}`)
    process.exit(error.code === 'CONFIG_INVALID' ? 2 : 3)
  }
}
