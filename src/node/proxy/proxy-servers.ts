import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Clock } from '../../base/time/clock.js'
import type { ProxyHealth } from './proxy-health.js'
import type { ProxyMetrics } from './proxy-metrics.js'

/** Where a server listens. */
export interface BindPlace {
  readonly host: string
  readonly port: number
}

export interface ProxyServersOptions {
  /** `/healthz` and `/livez`, for load balancers and whoever watches nodes; undefined: not served. */
  readonly healthz: BindPlace | undefined
  /** `/metrics`, `/proxyMode`, `/healthz`, `/configz`; undefined: not served. */
  readonly metrics: BindPlace | undefined
  readonly mode: () => string
  /** What `/configz` shows. */
  readonly configuration: unknown
  readonly health: ProxyHealth
  readonly measured: ProxyMetrics
  readonly clock: Clock
}

/** Listening servers; `places` tells the ports that were given for port 0. */
export interface ProxyServers {
  readonly places: { readonly healthz?: BindPlace; readonly metrics?: BindPlace }
  close(): Promise<void>
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** Opens the two HTTP servers of a service proxy. Errors: PORT_IN_USE with the place. */
export async function startProxyServers(options: ProxyServersOptions): Promise<ProxyServers> {
  const { healthz, metrics } = options
  const opened: Server[] = []
  const close = async () => {
    await Promise.all(
      opened.map(
        server =>
          new Promise<void>(resolve => {
            server.close(() => resolve())
            server.closeAllConnections()
          }),
      ),
    )
  }
  const open = async (place: BindPlace, answers: Readonly<Record<string, Answer>>): Promise<BindPlace> => {
    const server = serverOf(answers)
    await listening(server, place)
    opened.push(server)
    const address = server.address()
    return { host: place.host, port: typeof address === 'object' && address !== null ? address.port : place.port }
  }
  try {
    const places = {
      ...(healthz === undefined ? {} : { healthz: await open(healthz, healthAnswers(options)) }),
      ...(metrics === undefined ? {} : { metrics: await open(metrics, metricsAnswers(options)) }),
    }
    return { places, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Both say when the rules were last updated; only `/healthz` turns load balancers away from a node that is going (KEP-3836). */
function healthAnswers({ health, measured, clock }: ProxyServersOptions): Readonly<Record<string, Answer>> {
  const answer = (response: ServerResponse, path: 'healthz' | 'livez', isGood: boolean, extra: object) => {
    const status = isGood ? 200 : 503
    measured.answered(path, status)
    const lastUpdated = health.lastUpdated === undefined ? undefined : new Date(health.lastUpdated).toISOString()
    response.writeHead(status, { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' })
    response.end(`${JSON.stringify({ lastUpdated, currentTime: new Date(clock.now()).toISOString(), ...extra })}\n`)
  }
  return {
    '/healthz': (_request, response) =>
      answer(response, 'healthz', health.isAlive() && health.isNodeEligible, { nodeEligible: health.isNodeEligible }),
    '/livez': (_request, response) => answer(response, 'livez', health.isAlive(), {}),
  }
}

function metricsAnswers({ mode, configuration, measured }: ProxyServersOptions): Readonly<Record<string, Answer>> {
  const text = (body: string, type = 'text/plain; charset=utf-8'): Answer => {
    return (_request, response) => {
      response.writeHead(200, { 'Content-Type': type, 'X-Content-Type-Options': 'nosniff' })
      response.end(body)
    }
  }
  return {
    '/healthz': text('ok'),
    '/proxyMode': (request, response) => text(mode())(request, response),
    '/configz': text(JSON.stringify({ 'kubeproxy.config.k8s.io': configuration }), 'application/json'),
    '/metrics': async (request, response) => text(await measured.registry.metrics(), measured.registry.contentType)(request, response),
  }
}

function serverOf(answers: Readonly<Record<string, Answer>>): Server {
  return createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    const answer = Object.hasOwn(answers, path) ? answers[path] : undefined
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { Allow: 'GET, HEAD' }).end()
    } else if (answer === undefined) {
      response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('404 page not found\n')
    } else {
      void Promise.resolve(answer(request, response)).catch((error: unknown) => response.destroy(error as Error))
    }
  })
}

const listening = (server: Server, { host, port }: BindPlace): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE'
      const why = isTaken ? 'another process listens there' : error.message
      reject(
        new PodwireError(isTaken ? 'PORT_IN_USE' : 'CONFIG_INVALID', `The service proxy cannot listen on ${host}:${port}: ${why}`, {
          hint: 'healthzBindAddress and metricsBindAddress of its configuration say where.',
          cause: error,
        }),
      )
    })
    server.listen({ host, port }, resolve)
  })
