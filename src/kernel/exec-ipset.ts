import { PodwireError } from '../base/errors/podwire-error.js'
import type { Host } from './host.js'
import type { Ipset } from './ipset.js'

/** IP sets by the program ipset, executed by `run`: on a host, or in the namespaces of this process. */
export function execIpset(run: Host['run']): Ipset {
  return {
    async save(signal) {
      const { stdout, stderr, exitCode } = await run(['ipset', 'save'], { allowFailure: true, signal })
      if (exitCode !== 0) throw new PodwireError('KERNEL_REFUSED', `ipset could not list the sets: ${stderr.trim()}`)
      return stdout
    },

    async restore(text, signal) {
      const { stderr, exitCode } = await run(['ipset', 'restore'], { input: text, allowFailure: true, signal })
      if (exitCode !== 0) throw refusal(stderr, text)
    },
  }
}

/** The program names a line of its input by number only; the error shows the line. */
function refusal(stderr: string, text: string): PodwireError {
  const [, lineNumber, why] = /Error in line (\d+): (.*)/.exec(stderr) ?? []
  const line = text.split('\n')[Number(lineNumber) - 1]
  return new PodwireError(
    'KERNEL_REFUSED',
    `ipset refused the sets: ${why ?? stderr.trim()}${line === undefined ? '' : `\n  line ${lineNumber}: ${line}`}`,
  )
}
