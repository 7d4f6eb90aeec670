/** A chain: its rules as nft prints them, and its hook if packets enter by it. */
export interface Chain {
  readonly hook: string
  readonly rules: readonly string[]
}

/** A set (values are empty) or a map. */
export interface NftSet {
  readonly kind: 'set' | 'map'
  /** What stands between the braces, as nft prints it, without comment and elements; undefined in a part that only adds elements to a set of the base. */
  readonly definition: string | undefined
  /** Values by key. Elements that the kernel adds by itself are not among them. */
  readonly elements: ReadonlyMap<string, string>
}

/** The chains, sets and maps of our table, or a part of them. */
export interface TableContent {
  readonly chains: ReadonlyMap<string, Chain>
  readonly sets: ReadonlyMap<string, NftSet>
}

export const noContent: TableContent = { chains: new Map(), sets: new Map() }

/** All content of the parts. What two parts both name is the first one's, as two Services that claim one address. */
export function mergeContents(parts: Iterable<TableContent>): TableContent {
  const chains = new Map<string, Chain>()
  const sets = new Map<string, NftSet & { readonly elements: Map<string, string> }>()
  for (const part of parts) {
    for (const [name, chain] of part.chains) if (!chains.has(name)) chains.set(name, chain)
    for (const [name, set] of part.sets) {
      const known = sets.get(name)
      if (known === undefined) sets.set(name, { ...set, elements: new Map(set.elements) })
      else for (const [key, value] of set.elements) if (!known.elements.has(key)) known.elements.set(key, value)
    }
  }
  return { chains, sets }
}
