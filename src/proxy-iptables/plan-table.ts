import { jumps, sharedChains } from './render-base.js'
import type { ChainRules, Table } from './ruleset.js'

export interface TableChange {
  readonly table: Table
  readonly held: ChainRules
  readonly wanted: ChainRules
  /** True: both sides hold all rules of ours. False: only those of the Services that changed, so a shared chain cannot be restated. */
  readonly isWhole: boolean
  /** Lines after which a section ends. */
  readonly sectionLines: number
  /** True: chains that nothing jumps to any more stay until all is looked at the next time. */
  readonly keepsStale: boolean
}

/**
 * The `iptables-restore` sections that bring one table from `held` to `wanted`, to be carried out in order; none when nothing differs.
 *
 * A chain that only one Service fills is restated when it differs. Rules of shared chains come and go one by one, or all at once when all are known.
 * In the kernel's own chains only our jumps come and go. What is new is there before anything jumps to it; what is stale leaves last.
 */
export function planTable({ table, held, wanted, isWhole, sectionLines, keepsStale }: TableChange): readonly string[] {
  const shared: readonly string[] = sharedChains[table]
  const own: Restated[] = []
  const dispatch: Restated[] = []
  const singles: string[] = []
  for (const chain of new Set([...wanted.keys(), ...held.keys()])) {
    const before = held.get(chain)
    const after = wanted.get(chain)
    const isKernels = jumps[table].has(chain)
    if (isKernels || (shared.includes(chain) && !isWhole)) singles.push(...singleChanges(chain, before ?? [], after ?? []))
    else if (after === undefined) continue
    else if (!shared.includes(chain)) {
      if (before === undefined || !sameInOrder(before, after)) own.push({ chain, rules: after })
    } else if (before === undefined || !sameInAnyOrder(before, after)) dispatch.push({ chain, rules: after })
  }
  const stale = (keepsStale ? [] : [...held.keys()]).filter(
    chain => !wanted.has(chain) && !jumps[table].has(chain) && (isWhole || !shared.includes(chain)),
  )
  const parts = cut(own, sectionLines)
  const last = [...(parts.pop() ?? []), ...dispatch]
  if (last.length + singles.length + stale.length === 0) return []
  return [
    ...parts.map(part => section(table, part)),
    section(table, [...last, ...stale.map(chain => ({ chain, rules: [] }))], [...singles, ...stale.map(chain => `-X ${chain}`)]),
  ]
}

interface Restated {
  readonly chain: string
  readonly rules: readonly string[]
}

/** Naming a chain makes it, or empties it. */
const section = (table: string, chains: readonly Restated[], more: readonly string[] = []): string =>
  [
    `*${table}`,
    ...chains.map(({ chain }) => `:${chain} - [0:0]`),
    ...chains.flatMap(({ chain, rules }) => rules.map(rule => `-A ${chain} ${rule}`)),
    ...more,
    'COMMIT\n',
  ].join('\n')

function cut(chains: readonly Restated[], lines: number): Restated[][] {
  const parts: Restated[][] = []
  let room = 0
  for (const chain of chains) {
    if (room <= 0) {
      parts.push([])
      room = lines
    }
    parts.at(-1)!.push(chain)
    room -= chain.rules.length + 1
  }
  return parts
}

/** -I puts at the head, so the rule that is to stand first comes last. Adding before removing leaves no moment without a rule. */
function singleChanges(chain: string, before: readonly string[], after: readonly string[]): readonly string[] {
  return [
    ...without(after, before)
      .reverse()
      .map(rule => `-I ${chain} ${rule}`),
    ...without(before, after).map(rule => `-D ${chain} ${rule}`),
  ]
}

/** What `rules` has more than `others`, as multisets. */
function without(rules: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const rule of others) counts.set(rule, (counts.get(rule) ?? 0) + 1)
  return rules.filter(rule => {
    const count = counts.get(rule) ?? 0
    counts.set(rule, count - 1)
    return count <= 0
  })
}

const sameInOrder = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((rule, i) => rule === b[i])

/** Only the last rule of a shared chain has a place of its own. */
const sameInAnyOrder = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.at(-1) === b.at(-1) && without(a, b).length === 0
