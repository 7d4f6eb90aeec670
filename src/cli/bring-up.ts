import type { StepTime, UpReport } from '../lab/lab.js'
import type { LabSpec } from '../lab/lab-spec.js'
import type { Parts } from './parts.js'
import type { Progress } from './progress.js'

/** A lab that is up, with the times of all that was done for it: images first, then the steps of the lab itself. */
export interface BroughtUp extends UpReport {
  readonly totalMs: number
}

/** Images, then the lab; what was made is taken away again when it fails or is stopped. */
export async function bringUp(parts: Parts, spec: LabSpec, progress: Progress, signal: AbortSignal): Promise<BroughtUp> {
  const start = performance.now()
  await progress.phase('Images', () => parts.ensureImages(signal))
  const images: StepTime = { step: 'images', ms: Math.round(performance.now() - start) }
  const report = await progress.phase(`Lab ${spec.name}: ${spec.nodes.length} nodes, ${spec.datapath}, ${spec.proxy}`, detail =>
    parts.upLab(spec, { signal, onStep: (step, state) => state === 'started' && detail(step) }),
  )
  return { lab: report.lab, steps: [images, ...report.steps], totalMs: Math.round(performance.now() - start) }
}
