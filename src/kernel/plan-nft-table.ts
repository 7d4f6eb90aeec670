import type { Chain, NftSet, TableContent } from './nft-content.js'
import type { NftTableName } from './nftables.js'

export interface TableChange {
  readonly table: NftTableName
  /** Undefined: there is no table. */
  readonly held: TableContent | undefined
  readonly wanted: TableContent
}

/**
 * The one transaction that brings a table from `held` to `wanted`; empty when nothing differs.
 *
 * A chain that differs is restated, elements come and go one by one. A hook or a set of another form cannot be altered: then all is made anew,
 * still in one transaction, so that no packet meets half a table.
 */
export function planNftTable({ table: { family, table }, held, wanted }: TableChange): string {
  const own = `${family} ${table}`
  if (held === undefined || !isAlterable(held, wanted)) {
    // Adding before deleting: deleting what is not there is refused.
    return [
      `add table ${own}`,
      `delete table ${own}`,
      `add table ${own}`,
      ...changes(own, { chains: new Map(), sets: new Map() }, wanted),
      '',
    ].join('\n')
  }
  const lines = changes(own, held, wanted)
  return lines.length === 0 ? '' : [...lines, ''].join('\n')
}

const isAlterable = (held: TableContent, wanted: TableContent): boolean =>
  [...wanted.sets].every(([name, { kind, definition }]) => {
    const known = held.sets.get(name)
    return known === undefined || (known.kind === kind && known.definition === definition)
  }) && [...held.chains].every(([name, { hook }]) => hook === (wanted.chains.get(name)?.hook ?? ''))

/** In the order in which nothing is referred to before it is there or after it is gone. */
function changes(own: string, held: TableContent, wanted: TableContent): readonly string[] {
  const newSets = [...wanted.sets].filter(([name, { definition }]) => definition !== undefined && !held.sets.has(name))
  const staleSets = [...held.sets].filter(([name, { definition }]) => definition !== undefined && !wanted.sets.has(name))
  const restated = [...wanted.chains].filter(([name, chain]) => !sameRules(held.chains.get(name), chain))
  const staleChains = [...held.chains.keys()].filter(name => !wanted.chains.has(name))
  return [
    ...newSets.map(([name, { kind, definition }]) => `add ${kind} ${own} ${name} { ${definition}; }`),
    ...restated.flatMap(([name, { hook }]) =>
      held.chains.has(name) ? [`flush chain ${own} ${name}`] : [`add chain ${own} ${name}${hook === '' ? '' : ` { ${hook} }`}`],
    ),
    ...staleChains.map(name => `flush chain ${own} ${name}`),
    ...restated.flatMap(([name, { rules }]) => rules.map(rule => `add rule ${own} ${name} ${rule}`)),
    ...elementChanges(own, held, wanted),
    ...staleChains.map(name => `delete chain ${own} ${name}`),
    ...staleSets.map(([name, { kind }]) => `delete ${kind} ${own} ${name}`),
  ]
}

const sameRules = (held: Chain | undefined, wanted: Chain): boolean =>
  held !== undefined && held.rules.length === wanted.rules.length && held.rules.every((rule, i) => rule === wanted.rules[i])

/** An element's value cannot be changed, so it goes and comes; within a transaction no packet sees it gone. */
function elementChanges(own: string, held: TableContent, wanted: TableContent): readonly string[] {
  const lines: string[] = []
  for (const name of new Set([...held.sets.keys(), ...wanted.sets.keys()])) {
    // With a set its elements go.
    if (held.sets.get(name)?.definition !== undefined && !wanted.sets.has(name)) continue
    const before = held.sets.get(name)?.elements ?? none
    const after = wanted.sets.get(name)?.elements ?? none
    const gone = [...before].filter(([key, value]) => after.get(key) !== value).map(([key]) => key)
    const come = [...after].filter(([key, value]) => before.get(key) !== value)
    if (gone.length > 0) lines.push(`delete element ${own} ${name} {\n${gone.join(',\n')}\n}`)
    if (come.length > 0) {
      lines.push(`add element ${own} ${name} {\n${come.map(([key, value]) => (value === '' ? key : `${key} : ${value}`)).join(',\n')}\n}`)
    }
  }
  return lines
}

const none: NftSet['elements'] = new Map()
