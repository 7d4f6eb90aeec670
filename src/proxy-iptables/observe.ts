import { isServiceChain } from './chain-names.js'
import { fixedChains, jumps } from './render-base.js'
import type { ChainRules, Table } from './ruleset.js'

/** Our chains and our jumps in the output of `iptables-save`. Chains of any other name belong to someone else. */
export function parseOurRules(table: Table, saved: string): ChainRules {
  const chains = new Map<string, string[]>()
  const isOurs = (chain: string): boolean => fixedChains[table].some(name => name === chain) || (table === 'nat' && isServiceChain(chain))
  for (const line of saved.split('\n')) {
    const [, declared] = /^:(\S+) /.exec(line) ?? []
    if (declared !== undefined && isOurs(declared)) chains.set(declared, [])
    const [, chain = '', rule = ''] = /^-A (\S+) (.*)$/.exec(line) ?? []
    if (isOurs(chain)) chains.get(chain)?.push(rule)
    else if (jumps[table].has(chain) && isOurs(/ ?-j (\S+)/.exec(rule)?.[1] ?? '')) {
      chains.set(chain, [...(chains.get(chain) ?? []), rule])
    }
  }
  return chains
}
