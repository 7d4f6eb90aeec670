const pattern = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/
const stability = { alpha: 0, beta: 1, stable: 2 } as const

/** Orders versions as discovery prefers them: stable, beta, alpha, the newest of each first, then what is no version by its name. */
export function byVersionPriority(a: string, b: string): number {
  const [left, right] = [ranksOf(a), ranksOf(b)]
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : a > b ? 1 : 0
  return right[0] - left[0] || right[1] - left[1] || right[2] - left[2]
}

function ranksOf(version: string): readonly [number, number, number] | undefined {
  const found = pattern.exec(version)
  if (!found) return undefined
  return [stability[(found[2] ?? 'stable') as keyof typeof stability], Number(found[1]), Number(found[3] ?? 0)]
}
