/** Rules by chain; a rule is what `iptables-save` prints after `-A CHAIN `. */
export type ChainRules = ReadonlyMap<string, readonly string[]>

/** The tables we have chains in. In `mangle` it is one that only tells that somebody emptied the table. */
export const tables = ['nat', 'filter', 'mangle'] as const
export type Table = (typeof tables)[number]

/** Chains and rules of ours. */
export type Ruleset = Readonly<Record<Table, ChainRules>>

export const noRules: Ruleset = { nat: new Map(), filter: new Map(), mangle: new Map() }

/** All rules of the parts; a chain that several parts fill holds their rules in the order of the parts. */
export function mergeRulesets(parts: Iterable<Partial<Ruleset>>): Ruleset {
  const merged = { nat: new Map<string, string[]>(), filter: new Map<string, string[]>(), mangle: new Map<string, string[]>() }
  for (const part of parts) for (const table of tables) append(merged[table], part[table])
  return merged
}

function append(into: Map<string, string[]>, chains: ChainRules | undefined): void {
  for (const [chain, rules] of chains ?? []) {
    const known = into.get(chain)
    if (known === undefined) into.set(chain, [...rules])
    else known.push(...rules)
  }
}
