/** What the probes say of containers, by container id. */
export interface ContainerHealth {
  /** Its startup probe has succeeded, or it has none. */
  isStarted(containerId: string): boolean
  /** Its readiness probe says so, or it has none. */
  isReady(containerId: string): boolean
  /** The probe by whose failures it must be ended. */
  failedProbe(containerId: string): 'liveness' | 'startup' | undefined
}
