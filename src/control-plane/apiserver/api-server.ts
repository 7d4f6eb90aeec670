import { setMaxListeners } from 'node:events'
import { type IncomingMessage, ServerResponse } from 'node:http'
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'

import type { ApiResource } from '../../api/api-resource.js'
import { customresourcedefinitions, ipaddresses, nodes, servicecidrs, services } from '../../api/generated/resources.js'
import type { Node } from '../../api/generated/types.js'
import { resourceTable } from '../../api/resource-table.js'
import type { ResourceType } from '../../api/resource-type.js'
import { notFound, origin, statusOf, unknownPath } from '../../api/status.js'
import { PodwireError } from '../../base/errors/podwire-error.js'
import { endSoon } from '../../base/net/proxy-upgrade.js'
import type { Store } from '../store/store.js'
import { openAccess } from './access.js'
import { admissionChain } from './admission/admission-chain.js'
import { admissionPlugins } from './admission/plugins.js'
import { type Answer, type ApiServerResponse, jsonAnswer, send, statusAnswer, textAnswer, warn } from './answers.js'
import { createApiMetrics, type SeenRequest } from './api-metrics.js'
import type { ApiServerRequest } from './authentication.js'
import { ensureBootstrapPolicy } from './authorization/ensure-bootstrap-policy.js'
import { policyObjects } from './authorization/policy-objects.js'
import { ensureFirstObjects } from './bootstrap.js'
import { createClusterAddresses } from './cluster-addresses.js'
import { createObjectWriter } from './create-object-writer.js'
import { startCustomResources } from './custom-resources.js'
import { discoveryAnswer } from './discovery.js'
import { startObjectCache } from './object-cache.js'
import { objectStoreKey } from './object-codec.js'
import { createOpenApiAnswers } from './openapi-answers.js'
import { podStreams, type StreamUpgrade } from './pod-streams.js'
import { keepAddresses, repairAllocations } from './repair-allocations.js'
import { parseTarget, pathAndQuery } from './request-target.js'
import { createResourceHandler } from './resource-handler.js'
import { openServiceAllocation } from './service-allocation.js'
import { version } from './version.js'

/** Upstream forgets what is older than two of these (kube-apiserver --etcd-compaction-interval). */
const compactEveryMs = 5 * 60_000

export interface ApiServerOptions {
  readonly store: Store
  /** Sockets that are open already, or addresses to listen on; port 0 takes a free one. */
  readonly listen: readonly ({ readonly fd: number } | { readonly address: string; readonly port: number })[]
  /** Where nodes reach this server. */
  readonly advertise: { readonly address: string; readonly port: number }
  /** PEM text. Clients are known by certificates that `ca` has signed. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  /** What nodes know this server by when it fetches logs and opens streams: PEM text. */
  readonly nodeClient: { readonly cert: string; readonly key: string }
  /** `key` is PKCS#8 PEM of the P-256 key that signs ServiceAccount tokens. */
  readonly serviceAccount: { readonly issuer: string; readonly key: string }
  /** Bearer tokens that are fixed: the text of a file with `token,user,uid,"group1,group2"` a line. */
  readonly tokenFile?: string | undefined
  /** Admission plugins that shall not run, by upstream's names. */
  readonly disabledAdmissionPlugins?: readonly string[] | undefined
  /** Ranges of Services, one or one of each family; the first is the default. */
  readonly serviceCidrs: readonly string[]
  readonly nodePortRange: { readonly from: number; readonly to: number }
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>
}

export interface ApiServer {
  /** Where it listens, in the order of `listen`. */
  readonly addresses: readonly AddressInfo[]
  /** Ends watches, waits for requests under way, closes the sockets. The store stays open. */
  close(): Promise<void>
}

/** Serves the Kubernetes API over `options.store`. Resolves when it is ready for requests. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, advertise, log } = options
  const stop = new AbortController()
  setMaxListeners(0, stop.signal) // Every watch listens.
  const cache = await startObjectCache(store, stop.signal)
  const rowOf = ({ group, resource }: ApiResource): ResourceType => {
    const row = resourceTable.find(other => other.group === group && other.resource === resource)
    if (!row) throw new PodwireError('INTERNAL', `${resource} is not in the resource table`)
    return row
  }
  const ipAddresses = rowOf(ipaddresses)
  const addresses = createClusterAddresses({ cache, ipAddresses, serviceCidrs: rowOf(servicecidrs), firstRanges: options.serviceCidrs })
  const allocation = await openServiceAllocation({ store, addresses, ranges: options })
  const writer = createObjectWriter({ store, cache, allocation })
  const address = `${advertise.address}:${advertise.port}`
  const objects = policyObjects(cache, rowOf)
  const access = openAccess({ objects, address, serviceAccount: options.serviceAccount, tokenFile: options.tokenFile })
  const admission = admissionChain(admissionPlugins({ objects, access, disabled: options.disabledAdmissionPlugins }))
  const allocated = { store, cache, addresses, services: rowOf(services), ipAddresses }
  await repairAllocations({ ...allocated, allocation })
  keepAddresses({ ...allocated, log }, stop.signal)
  await ensureFirstObjects(writer, rowOf, options)
  await ensureBootstrapPolicy({ writer, objects, rowOf })

  const nodeRow = rowOf(nodes)
  const streams = podStreams({
    tls: { ca: options.tls.ca, ...options.nodeClient },
    async findNode(name) {
      await cache.current()
      const found = cache.collection(nodeRow).get(objectStoreKey(nodeRow, { name }))
      if (!found) throw notFound(nodeRow, name)
      return found.object as Node
    },
  })
  const handleResource = createResourceHandler({ store, cache, objects, writer, access, admission, streams })
  const resources = startCustomResources(
    { cache, writer, builtIn: resourceTable, definitions: rowOf(customresourcedefinitions), log },
    stop.signal,
  )
  const openApiAnswer = createOpenApiAnswers(resources.table)
  const metrics = createApiMetrics({ store, cache })

  interface Exchange {
    readonly request: ApiServerRequest
    readonly response: ApiServerResponse
    readonly upgrade: StreamUpgrade | undefined
    readonly seen: SeenRequest
  }

  async function answer({ request, response, upgrade, seen }: Exchange): Promise<Answer | undefined> {
    const { path, query } = pathAndQuery(request)
    const user = await access.enter(request, path, query).catch((error: unknown) => {
      if (statusOf(error).code === 401) metrics.authenticated(undefined)
      throw error
    })
    metrics.authenticated(user.name)
    const target = parseTarget(path, resources.table())
    seen.aims(target)
    if (target) {
      const ended = resources.ended(target.resource)
      const signal = ended ? AbortSignal.any([stop.signal, ended]) : stop.signal
      warn(response, target.resource.warnings)
      return handleResource({ request, response, upgrade, target, user, query, signal })
    }
    const found =
      discoveryAnswer(request, path, { table: resources.table(), address }) ??
      openApiAnswer(request, path) ??
      access.issuerAnswer(path) ??
      otherAnswer(path, query) ??
      (path === '/metrics' ? await metricsAnswer(metrics.registry) : undefined)
    if (!found) throw unknownPath()
    return found
  }

  const handle: Handle = (request, response, upgrade) => {
    const seen = metrics.began(request, response, upgrade?.socket)
    answer({ request, response, upgrade, seen })
      .then(found => {
        if (found) send(response, found)
      })
      .catch((error: unknown) => {
        const status = statusOf(error)
        if ((status.code ?? 500) >= 500) log.error({ err: originOf(error), method: request.method, url: request.url }, 'request failed')
        send(response, statusAnswer(status))
      })
      .catch((error: unknown) => {
        // The connection is gone, and with it whoever could be told.
        log.debug({ err: error, url: request.url }, 'answer not sent')
      })
  }

  const servers: Listening[] = []
  for (const place of options.listen) servers.push(await listen(place, options.tls, handle))
  const compaction = startCompaction(store, log)

  return {
    addresses: servers.map(({ server }) => server.address() as AddressInfo),
    async close() {
      clearInterval(compaction)
      stop.abort()
      await Promise.all(servers.map(server => server.close()))
      await cache.ended
    },
  }
}

const healthPaths = new Set(['/healthz', '/livez', '/readyz'])

function otherAnswer(path: string, query: URLSearchParams): Answer | undefined {
  if (path === '/version' || path === '/version/') return jsonAnswer(version)
  const health = path.replace(/\/$/, '')
  if (!healthPaths.has(health)) return undefined
  return textAnswer(query.has('verbose') ? `[+]ping ok\n[+]store ok\n${health.slice(1)} check passed\n` : 'ok')
}

const metricsAnswer = async (registry: Registry): Promise<Answer> => ({
  status: 200,
  contentType: registry.contentType,
  body: await registry.metrics(),
})

/** The error behind a refusal, for the log. */
function originOf(error: unknown): unknown {
  const cause = error instanceof PodwireError ? error.cause : undefined
  return typeof cause === 'object' && cause !== null && origin in cause ? cause[origin as keyof typeof cause] : error
}

type Handle = (request: ApiServerRequest, response: ApiServerResponse, upgrade?: StreamUpgrade) => void

interface Listening {
  readonly server: Http2SecureServer
  close(): Promise<void>
}

async function listen(place: ApiServerOptions['listen'][number], tls: ApiServerOptions['tls'], handle: Handle): Promise<Listening> {
  const server = createSecureServer(
    {
      ...tls,
      allowHTTP1: true,
      requestCert: true,
      // A client without a certificate of ours gets a Status, not a broken handshake.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024 },
    },
    (request: Http2ServerRequest, response: Http2ServerResponse) => handle(request, response),
  )
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => handleUpgrade(handle, { request, socket, head }))
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<{ destroy(): void }>()
  server.on('session', session => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  server.on('secureConnection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen('fd' in place ? { fd: place.fd } : { host: place.address, port: place.port }, () => {
      server.off('error', reject)
      resolve()
    })
  }).catch((error: unknown) => {
    const at = 'fd' in place ? `descriptor ${place.fd}` : `${place.address}:${place.port}`
    const inUse = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    throw new PodwireError(
      inUse ? 'PORT_IN_USE' : 'KERNEL_REFUSED',
      `cannot listen on ${at}: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    )
  })
  return {
    server,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const session of sessions) session.close()
        // Idle HTTP/1 connections, and clients that do not go when asked.
        setTimeout(() => {
          for (const socket of sockets) socket.destroy()
        }, 200).unref()
      }),
  }
}

/** A request that wants its connection to go on in another protocol; whoever answers may take it, or answer like any other request. */
function handleUpgrade(handle: Handle, { request, socket, head }: { request: IncomingMessage; socket: Duplex; head: Buffer }): void {
  socket.on('error', () => {}) // 'close' follows.
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as TLSSocket)
  response.on('finish', () => endSoon(socket))
  handle(request, response, { socket, head, take: () => response.detachSocket(socket as TLSSocket) })
}

/** Forgets at each turn what was current at the one before: nobody may need to look back further. */
function startCompaction(store: Store, log: ApiServerOptions['log']): NodeJS.Timeout {
  let next = store.revision
  const timer = setInterval(() => {
    const target = next
    next = store.revision
    store.compact(target).catch((error: unknown) => {
      log.warn({ err: error, revision: target }, 'compaction failed')
    })
  }, compactEveryMs)
  return timer.unref()
}
