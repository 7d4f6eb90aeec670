/** Rules by chain; a rule is what `iptables-save` prints after `-A CHAIN `. */
export type ChainRules = ReadonlyMap<string, readonly string[]>

/** Chains and rules of ours in both tables. */
export interface Ruleset {
  readonly nat: ChainRules
  readonly filter: ChainRules
}

export const noRules: Ruleset = { nat: new Map(), filter: new Map() }

/** All rules of the parts; a chain that several parts fill holds their rules in the order of the parts. */
export function mergeRulesets(parts: Iterable<Ruleset>): Ruleset {
  const nat = new Map<string, string[]>()
  const filter = new Map<string, string[]>()
  for (const part of parts) {
    append(nat, part.nat)
    append(filter, part.filter)
  }
  return { nat, filter }
}

function append(into: Map<string, string[]>, chains: ChainRules): void {
  for (const [chain, rules] of chains) {
    const known = into.get(chain)
    if (known === undefined) into.set(chain, [...rules])
    else known.push(...rules)
  }
}
