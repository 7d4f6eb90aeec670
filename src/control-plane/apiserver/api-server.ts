import { setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'

import type { ApiResource } from '../../api/api-resource.js'
import { customresourcedefinitions, ipaddresses, nodes, servicecidrs, services } from '../../api/generated/resources.js'
import type { Node } from '../../api/generated/types.js'
import { resourceTable } from '../../api/resource-table.js'
import type { ResourceType } from '../../api/resource-type.js'
import { notFound, origin, statusOf, unknownPath } from '../../api/status.js'
import { PodwireError } from '../../base/errors/podwire-error.js'
import { startCompaction } from '../store/start-compaction.js'
import type { Store } from '../store/store.js'
import { openAccess } from './access.js'
import { admissionChain } from './admission/admission-chain.js'
import { admissionPlugins } from './admission/plugins.js'
import { type Answer, type ApiServerResponse, jsonAnswer, send, statusAnswer, warn } from './answers.js'
import { createApiMetrics, type SeenRequest } from './api-metrics.js'
import type { ApiServerRequest } from './authentication.js'
import { ensureBootstrapPolicy } from './authorization/ensure-bootstrap-policy.js'
import { policyObjects } from './authorization/policy-objects.js'
import { ensureFirstObjects } from './bootstrap.js'
import { createClusterAddresses } from './cluster-addresses.js'
import { type ComponentCheck, componentStatuses } from './component-statuses.js'
import { createObjectWriter } from './create-object-writer.js'
import { startCustomResources } from './custom-resources.js'
import { discoveryAnswer } from './discovery.js'
import { type HealthCheck, healthAnswer } from './health.js'
import { type Handle, type HttpFront, type ListenPlace, openHttpFront } from './http-front.js'
import { startObjectCache } from './object-cache.js'
import { objectStoreKey } from './object-codec.js'
import { createOpenApiAnswers } from './openapi-answers.js'
import { podStreams } from './pod-streams.js'
import { keepAddresses, repairAllocations } from './repair-allocations.js'
import { createRequestGate, defaultRequestLimits, type RequestLimits } from './request-limits.js'
import { parseTarget, pathAndQuery } from './request-target.js'
import { createResourceHandler } from './resource-handler.js'
import { openServiceAllocation } from './service-allocation.js'
import type { StreamUpgrade } from './stream-upgrade.js'
import { version } from './version.js'

/** How long requests under way may take to end when the server does, and connections after them. */
const drainMs = 10_000
const closeMs = 200

export interface ApiServerOptions {
  readonly store: Store
  readonly listen: readonly ListenPlace[]
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
  /** Of requests under way; upstream's numbers without it. */
  readonly limits?: Partial<RequestLimits>
  /** The other parts of the control plane in this process, for `kubectl get componentstatuses`. */
  readonly components?: Readonly<Record<string, ComponentCheck>> | undefined
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
  // Watches end first: requests under way still need what follows the store.
  const watches = new AbortController()
  setMaxListeners(0, watches.signal)
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
  const handleResource = createResourceHandler({
    store,
    cache,
    components: () => componentStatuses({ store, checks: options.components ?? {} }),
    objects,
    writer,
    access,
    admission,
    streams,
  })
  const resources = startCustomResources(
    { cache, writer, builtIn: resourceTable, definitions: rowOf(customresourcedefinitions), log },
    stop.signal,
  )
  const openApiAnswer = createOpenApiAnswers(resources.table)
  const metrics = createApiMetrics({ store, cache })

  const gate = createRequestGate({ ...defaultRequestLimits, ...options.limits })
  let isEnding = false
  const checks: readonly HealthCheck[] = [
    { name: 'ping', check: () => undefined },
    { name: 'store', check: async () => void (await store.newest()) },
    {
      name: 'shutdown',
      readinessOnly: true,
      check() {
        if (isEnding) throw new Error('the server is ending')
      },
    },
  ]

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
    return gate.run({ method: request.method, target, query, groups: user.groups }, async () => {
      if (target) {
        const ended = resources.ended(target.resource)
        const signal = ended ? AbortSignal.any([watches.signal, ended]) : watches.signal
        warn(response, target.resource.warnings)
        return handleResource({ request, response, upgrade, target, user, query, signal })
      }
      const found =
        discoveryAnswer(request, path, { table: resources.table(), address }) ??
        openApiAnswer(request, path) ??
        access.issuerAnswer(path) ??
        versionAnswer(path) ??
        (await healthAnswer(path, query, checks)) ??
        (path === '/metrics' ? await metricsAnswer(metrics.registry) : undefined)
      if (!found) throw unknownPath()
      return found
    })
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

  const fronts: HttpFront[] = []
  for (const place of options.listen) fronts.push(await openHttpFront(place, options.tls, handle))
  const stopCompaction = startCompaction(store, { onError: error => log.warn({ err: error }, 'compaction failed') })

  return {
    addresses: fronts.map(front => front.address),
    async close() {
      stopCompaction()
      isEnding = true
      watches.abort() // They end as they do at any other time: their readers go on from the last event.
      await Promise.race([gate.idle(), delay(drainMs, undefined, { ref: false })])
      stop.abort()
      await Promise.all(fronts.map(front => front.close(closeMs)))
      await cache.ended
    },
  }
}

const versionAnswer = (path: string): Answer | undefined => (path === '/version' || path === '/version/' ? jsonAnswer(version) : undefined)

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
