import type { LabSpec } from './lab-spec.js'
import type { LabHost } from './substrate.js'

/** A lab that is up. */
export interface Lab {
  readonly spec: LabSpec
  readonly hosts: readonly LabHost[]
  /** Path of a kubeconfig with the admin's certificate and the API's address on 127.0.0.1. */
  readonly kubeconfig: string
}

export interface StepTime {
  readonly step: string
  readonly ms: number
}

export interface UpOptions {
  readonly signal: AbortSignal
  /** Called as each step begins and ends. */
  readonly onStep?: (step: string, state: 'started' | 'done') => void
}

export interface UpReport {
  readonly lab: Lab
  readonly steps: readonly StepTime[]
}
