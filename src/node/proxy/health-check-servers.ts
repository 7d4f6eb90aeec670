import { createServer, type Server } from 'node:http'

import type { HealthCheck } from '../../service-model/health-checks.js'

export interface HealthCheckServersOptions {
  /** The addresses to listen on when a check's port is opened; undefined: all of the node. */
  readonly hosts: () => readonly string[] | undefined
  /** Whether the proxy itself keeps up: an unhealthy one answers 503 for every Service. */
  readonly isHealthy: () => boolean
  /** A port that could not be opened, as when another process has it. */
  readonly onError: (check: HealthCheck, error: Error) => void
}

/** The servers of all health check ports of one node. */
export interface HealthCheckServers {
  /** Opens, closes and updates servers so that exactly these checks are answered. */
  update(checks: readonly HealthCheck[]): void
  close(): Promise<void>
}

/**
 * Answers what cloud load balancers ask of `healthCheckNodePort`: 200 with the number of local endpoints, or 503 when there is none.
 * The body and the header `X-Load-Balancing-Endpoint-Weight` are those of kube-proxy.
 */
export function createHealthCheckServers({ hosts, isHealthy, onError }: HealthCheckServersOptions): HealthCheckServers {
  const servers = new Map<number, readonly Server[]>()
  let wanted: ReadonlyMap<number, HealthCheck> = new Map()

  function open(check: HealthCheck, host: string | undefined): Server {
    const server = createServer((_request, response) => {
      const { service, localEndpoints } = wanted.get(check.port) ?? check
      const [namespace, name] = service.split('/')
      const serviceProxyHealthy = isHealthy()
      response.writeHead(localEndpoints > 0 && serviceProxyHealthy ? 200 : 503, {
        'Content-Type': 'application/json',
        'X-Content-Type-Options': 'nosniff',
        'X-Load-Balancing-Endpoint-Weight': String(localEndpoints),
      })
      response.end(`${JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy })}\n`)
    })
    server.on('error', error => {
      servers.delete(check.port) // The next update tries again.
      onError(check, error)
    })
    server.listen({ port: check.port, ...(host === undefined ? {} : { host }) })
    return server
  }

  const closed = (all: readonly Server[]): Promise<unknown> =>
    Promise.all(
      all.map(
        server =>
          new Promise<void>(resolve => {
            server.close(() => resolve())
            server.closeAllConnections()
          }),
      ),
    )

  return {
    update(checks) {
      wanted = new Map(checks.map(check => [check.port, check]))
      for (const [port, all] of servers) {
        if (wanted.has(port)) continue
        servers.delete(port)
        void closed(all)
      }
      for (const check of wanted.values()) {
        if (!servers.has(check.port))
          servers.set(
            check.port,
            (hosts() ?? [undefined]).map(host => open(check, host)),
          )
      }
    },
    async close() {
      wanted = new Map()
      const all = [...servers.values()].flat()
      servers.clear()
      await closed(all)
    },
  }
}
