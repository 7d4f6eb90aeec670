import { PodwireError } from '../base/errors/podwire-error.js'
import type { Terminal } from './terminal.js'

/**
 * Runs `work` with a signal that the first Ctrl-C (or SIGTERM, SIGHUP) aborts, so that it can take away what it made.
 * A second Ctrl-C ends the process at once and says what then remains to be done.
 */
export async function withInterrupt<T>(terminal: Terminal, cleanUp: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const stop = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      terminal.note(`Stopped at once; something may be left. hint: ${cleanUp}\n`)
      process.exit(1)
    }
    terminal.note('\nStopping and taking away what was made; Ctrl-C again stops at once.\n')
    controller.abort(new PodwireError('ABORTED', `Stopped by ${name === 'SIGINT' ? 'Ctrl-C' : name}.`))
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of signals) process.on(name, stop)
  try {
    return await work(controller.signal)
  } catch (error) {
    // Whatever broke because of the stop, the stop is the reason.
    throw controller.signal.aborted ? controller.signal.reason : error
  } finally {
    for (const name of signals) process.off(name, stop)
  }
}
