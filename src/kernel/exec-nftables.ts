import { PodwireError } from '../base/errors/podwire-error.js'
import type { Host } from './host.js'
import type { Nftables } from './nftables.js'

/** nf_tables by the program nft, executed by `run`: on a host, or in the namespaces of this process. */
export function execNftables(run: Host['run']): Nftables {
  return {
    async list({ family, table }, signal) {
      const { stdout, stderr, exitCode } = await run(['nft', '--stateless', 'list', 'table', family, table], { allowFailure: true, signal })
      if (exitCode === 0) return stdout
      if (stderr.includes('No such file or directory')) return undefined
      throw new PodwireError('KERNEL_REFUSED', `nft could not read table ${family} ${table}: ${stderr.trim()}`)
    },

    async apply(text, signal) {
      const { stderr, exitCode } = await run(['nft', '-f', '-'], { input: text, allowFailure: true, signal })
      if (exitCode !== 0) throw refusal(stderr, text)
    },
  }
}

/** Below its first words nft repeats the input; the error shows the line it names. */
function refusal(stderr: string, text: string): PodwireError {
  const [, lineNumber, why] = /^\S*?:(\d+):[\d-]+: Error: (.*)$/m.exec(stderr) ?? []
  const line = text.split('\n')[Number(lineNumber) - 1]
  return new PodwireError(
    'KERNEL_REFUSED',
    `nft refused the rules: ${why ?? stderr.trim()}${line === undefined ? '' : `\n  line ${lineNumber}: ${line}`}`,
  )
}
