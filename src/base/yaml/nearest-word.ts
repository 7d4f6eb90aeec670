/** The word of `known` that `word` was most likely meant to be; undefined when none is within a third of its length in edits. */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  const [nearest] = known.map(candidate => ({ candidate, edits: editDistance(word, candidate) })).sort((a, b) => a.edits - b.edits)
  return nearest && nearest.edits <= Math.max(1, Math.ceil(word.length / 3)) ? nearest.candidate : undefined
}

/** How many letters must be added, removed, changed or swapped with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)])
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const substituted = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = isSwap ? rows[i - 2]![j - 2]! + 1 : Number.POSITIVE_INFINITY
      rows[i]![j] = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, substituted, swapped)
    }
  }
  return rows[a.length]![b.length]!
}
