import type { ServiceState } from './service-state.js'

/** What a load balancer asks a node about one Service of external policy Local. */
export interface HealthCheck {
  /** `namespace/name`. */
  readonly service: string
  /** The node port on which the answer is given. */
  readonly port: number
  /** Ready endpoints on this node, each address once; the node is healthy for the Service while there is one. Terminating ones do not count. */
  readonly localEndpoints: number
}

/** The health checks that this node must answer, ordered by Service. */
export function buildHealthChecks({ origins }: Pick<ServiceState, 'origins'>): readonly HealthCheck[] {
  const checks: HealthCheck[] = []
  for (const [service, { ports }] of origins) {
    const port = ports.find(({ healthCheckNodePort }) => healthCheckNodePort !== undefined)?.healthCheckNodePort
    if (port === undefined) continue
    const addresses = new Set(ports.flatMap(({ localReadyAddresses }) => localReadyAddresses))
    checks.push({ service, port, localEndpoints: addresses.size })
  }
  return checks.sort((a, b) => (a.service < b.service ? -1 : 1))
}

/** How many Service ports drop traffic of a policy Local for want of an endpoint here, while there are some elsewhere. */
export function countWithoutLocalEndpoints({ ports }: Pick<ServiceState, 'ports'>): {
  readonly internal: number
  readonly external: number
} {
  let internal = 0
  let external = 0
  for (const port of ports.values()) {
    if (port.internal === 'drop') internal++
    if (port.external === 'drop') external++
  }
  return { internal, external }
}
