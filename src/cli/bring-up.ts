import type { UpReport } from '../lab/lab.js'
import type { LabSpec } from '../lab/lab-spec.js'
import type { Parts } from './parts.js'
import type { Progress } from './progress.js'

/** A lab that is up, with the times of its steps and of all together. */
export interface BroughtUp extends UpReport {
  readonly totalMs: number
}

/** Brings the lab up and says what it is at. Nothing is left when it fails or is stopped. */
export async function bringUp(parts: Parts, spec: LabSpec, progress: Progress, signal: AbortSignal): Promise<BroughtUp> {
  const start = performance.now()
  const title = `Lab ${spec.name}: ${spec.nodes.length} nodes, ${spec.datapath}, ${spec.proxy}`
  const report = await progress.phase(title, detail =>
    parts.upLab(spec, { signal, onStep: (step, state) => detail(state === 'started' ? step : `${step}: done`) }),
  )
  return { ...report, totalMs: Math.round(performance.now() - start) }
}
