/** Who may run when: same key one after the other, different keys side by side, and now and then somebody alone. */
export interface Turns {
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T>
  /** Waits for everything that came before, and everything after waits for it. */
  alone<T>(work: () => Promise<T>): Promise<T>
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>()
  let barrier: Promise<unknown> = Promise.resolve()

  const ignoreFailure = (work: Promise<unknown>): Promise<unknown> => work.catch(() => {})

  return {
    inTurn(key, work) {
      const result = (last.get(key) ?? barrier).then(work)
      const settled = ignoreFailure(result).then(() => {
        if (last.get(key) === settled) last.delete(key)
      })
      last.set(key, settled)
      return result
    },
    alone(work) {
      const before = Promise.all([barrier, ...last.values()])
      last.clear()
      const result = before.then(work)
      barrier = ignoreFailure(result)
      return result
    },
  }
}
