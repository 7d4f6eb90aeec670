import type { Change, Commit, Store } from '../store/store.js'

/** What a commit must expect and change so that a number is taken or given back with it, or not at all. */
export type CommitPart = Commit

/**
 * Numbers of a range, each held by at most one owner. A key in the store stands for each number that is held, and takes part in the
 * commit of its owner: two servers can never give one number to two owners. What is free is known from what is stored.
 */
export interface RangeAllocator {
  /** The lowest and the highest number. */
  readonly from: number
  readonly to: number
  isHeld(number: number): boolean
  held(): readonly number[]
  /** A free number, searched onwards from the last one given; undefined when none is left. */
  pick(taken: ReadonlySet<number>): number | undefined
  hold(number: number, owner: string): CommitPart
  giveBack(number: number): CommitPart
  /** Tells the allocator which keys a commit has changed, or has found taken. */
  noteCommitted(changes: readonly Change[]): void
  noteHeld(key: string): void
}

export interface RangeOptions {
  /** The name of the range, as `clusterips`. */
  readonly name: string
  readonly from: number
  readonly to: number
  /** Numbers below this are given only on request while higher ones are free. */
  readonly reservedBelow: number
  readonly textOf: (number: number) => string
  readonly numberOf: (text: string) => number
}

export async function openRangeAllocator(store: Store, options: RangeOptions): Promise<RangeAllocator> {
  const { name, from, to, reservedBelow, textOf, numberOf } = options
  const prefix = `/ranges/${name}/`
  const keyOf = (number: number): string => `${prefix}${textOf(number)}`
  const held = new Set((await store.list(prefix)).entries.map(({ key }) => numberOf(key.slice(prefix.length))))
  let next = reservedBelow

  function* candidates(): Generator<number> {
    for (let number = next; number <= to; number++) yield number
    for (let number = reservedBelow; number < next; number++) yield number
    for (let number = from; number < reservedBelow; number++) yield number
  }

  return {
    from,
    to,
    isHeld: number => held.has(number),
    held: () => [...held],
    pick(taken) {
      for (const number of candidates()) {
        if (held.has(number) || taken.has(number)) continue
        next = number + 1
        return number
      }
      return undefined
    },
    hold: (number, owner) => ({
      expect: [{ key: keyOf(number), revision: 0 }],
      changes: [{ type: 'put', key: keyOf(number), value: Buffer.from(owner) }],
    }),
    giveBack: number => ({ expect: [], changes: [{ type: 'delete', key: keyOf(number) }] }),
    noteCommitted(changes) {
      for (const { type, key } of changes) {
        if (!key.startsWith(prefix)) continue
        const number = numberOf(key.slice(prefix.length))
        if (type === 'put') held.add(number)
        else held.delete(number)
      }
    },
    noteHeld(key) {
      if (key.startsWith(prefix)) held.add(numberOf(key.slice(prefix.length)))
    },
  }
}
