import { PodwireError } from '../base/errors/podwire-error.js'
import type { IpFamily } from '../base/net/address.js'
import type { Host } from './host.js'
import type { Iptables } from './iptables.js'

const programs = { 4: 'iptables', 6: 'ip6tables' } as const

/** Seconds to wait for another program that holds the lock. */
const lockSeconds = '10'

/** Who keeps the rules in the kernel: nf_tables, or the older tables that a kernel without it has. Each sees only its own. */
export type IptablesVariant = 'nft' | 'legacy'

/** iptables by its own programs, executed by `run`: on a host, or in the namespaces of this process. */
export function execIptables(run: Host['run'], family: IpFamily = 4, variant: IptablesVariant = 'nft'): Iptables {
  const [save, restore] = ['save', 'restore'].map(verb => `${programs[family]}-${variant}-${verb}`) as [string, string]
  return {
    async save(table, signal) {
      const { stdout, stderr, exitCode } = await run([save, '-t', table], { allowFailure: true, signal })
      if (exitCode !== 0) throw new PodwireError('KERNEL_REFUSED', `${save} could not read table ${table}: ${stderr.trim()}`)
      return stdout
    },

    async hasChain(table, chain, signal) {
      const argv = [`${programs[family]}-${variant}`, '--wait', lockSeconds, '-t', table, '-S', chain, '1']
      const { stderr, exitCode } = await run(argv, { allowFailure: true, signal })
      if (exitCode === 0) return true
      // iptables-nft 1.8.9 calls a chain that is not there incompatible.
      if (/No chain|does not exist|No such file|incompatible/.test(stderr)) return false
      throw new PodwireError('KERNEL_REFUSED', `${argv[0]} could not look for chain ${chain} in table ${table}: ${stderr.trim()}`)
    },

    async restore(text, signal) {
      const argv = [restore, '--wait', lockSeconds, '--noflush']
      const { stderr, exitCode } = await run(argv, { input: text, allowFailure: true, signal })
      if (exitCode !== 0) throw refusal(restore, stderr, text)
    },
  }
}

/** The program names a line of its input by number only; the error shows the line. */
function refusal(program: string, stderr: string, text: string): PodwireError {
  const lineNumber = Number(/\bline:? (\d+)/.exec(stderr)?.[1])
  const line = text.split('\n')[lineNumber - 1]
  const words = stderr.replace(/^Try .*$/m, '').trim()
  return new PodwireError(
    'KERNEL_REFUSED',
    `${program} refused the rules: ${words}${line === undefined ? '' : `\n  line ${lineNumber}: ${line}`}`,
  )
}
