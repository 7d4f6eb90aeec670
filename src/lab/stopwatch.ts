import type { StepTime } from './lab.js'

/** Times named steps, which may overlap, and tells of their begin and end. */
export interface Stopwatch {
  /** The steps that have ended, in the order in which they began. */
  steps(): readonly StepTime[]
  time<T>(step: string, fn: () => Promise<T>): Promise<T>
}

export function createStopwatch(onStep: (step: string, state: 'started' | 'done') => void = () => {}): Stopwatch {
  const times: { readonly step: string; ms: number | undefined }[] = []
  return {
    steps: () => times.flatMap(({ step, ms }) => (ms === undefined ? [] : [{ step, ms }])),
    async time(step, fn) {
      const entry: (typeof times)[number] = { step, ms: undefined }
      times.push(entry)
      onStep(step, 'started')
      const start = performance.now()
      const result = await fn()
      entry.ms = Math.round(performance.now() - start)
      onStep(step, 'done')
      return result
    },
  }
}
