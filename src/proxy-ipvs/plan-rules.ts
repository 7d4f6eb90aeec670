import { chains, iptablesProxyChain, sharedChains, type Table } from './object-names.js'
import { type ChainRules, jumps, type Ruleset } from './render-rules.js'

const tables: readonly Table[] = ['nat', 'filter']

/**
 * Our chains and our jumps in the output of `iptables-save`. Chains of any other name belong to someone else; of proxy iptables one is looked at,
 * to know that it is in.
 */
export function parseRules(table: Table, saved: string): ChainRules {
  const found = new Map<string, string[]>()
  const names: readonly string[] = [...chains[table], iptablesProxyChain[table]]
  for (const line of saved.split('\n')) {
    const [, declared] = /^:(\S+) /.exec(line) ?? []
    if (declared !== undefined && names.includes(declared)) found.set(declared, [])
    const [, chain = '', rule = ''] = /^-A (\S+) (.*)$/.exec(line) ?? []
    if (names.includes(chain)) found.get(chain)?.push(rule)
    else if (jumps[table].get(chain)?.includes(rule)) found.set(chain, [...(found.get(chain) ?? []), rule])
  }
  return found
}

/**
 * The input of `iptables-restore --noflush` that brings the rules from `held` to `wanted`; empty when nothing differs. Undefined wants none.
 *
 * A chain of ours that differs is restated whole; in the kernel's own chains only our jumps come and go.
 */
export const planRules = (held: Ruleset, wanted: Ruleset | undefined): string =>
  tables.map(table => (wanted === undefined ? removeRules(table, held[table]) : stateRules(table, held[table], wanted[table]))).join('')

function stateRules(table: Table, held: ChainRules, wanted: ChainRules): string {
  const differing = [...wanted].filter(([chain, rules]) => !jumps[table].has(chain) && !sameRules(held.get(chain), rules))
  const missing = [...jumps[table]].flatMap(([chain, rules]) =>
    rules
      .filter(rule => !held.get(chain)?.includes(rule))
      // -I puts at the head, so the rule that is to stand first comes last.
      .reverse()
      .map(rule => `-I ${chain} ${rule}`),
  )
  return section(table, [
    ...differing.map(([chain]) => declaration(chain)),
    ...differing.flatMap(([chain, rules]) => rules.map(rule => `-A ${chain} ${rule}`)),
    ...missing,
  ])
}

function removeRules(table: Table, held: ChainRules): string {
  // Without a chain that only we have, chains of shared names are the kubelet's, or those of proxy iptables.
  const areOurs = !held.has(iptablesProxyChain[table]) && chains[table].some(chain => !sharedChains.includes(chain) && held.has(chain))
  const isGoing = (chain: string): boolean => areOurs || !sharedChains.includes(chain)
  const going = chains[table].filter(chain => held.has(chain) && isGoing(chain))
  const leaving = [...jumps[table]].flatMap(([chain, rules]) =>
    rules.filter(rule => held.get(chain)?.includes(rule) && isGoing(rule.replace(/^.* -j /, ''))).map(rule => `-D ${chain} ${rule}`),
  )
  return section(table, [...going.map(declaration), ...leaving, ...going.map(chain => `-X ${chain}`)])
}

/** Naming a chain makes it, or empties it. */
const declaration = (chain: string): string => `:${chain} - [0:0]`

const section = (table: Table, lines: readonly string[]): string =>
  lines.length === 0 ? '' : `${[`*${table}`, ...lines, 'COMMIT'].join('\n')}\n`

const sameRules = (a: readonly string[] | undefined, b: readonly string[]): boolean =>
  a !== undefined && a.length === b.length && a.every((rule, i) => rule === b[i])
