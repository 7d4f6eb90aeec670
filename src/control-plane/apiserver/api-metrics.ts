import { Counter, Gauge, Histogram, Registry } from 'prom-client'

import { resourceTable } from '../../api/resource-table.js'
import type { Store } from '../store/store.js'
import type { ApiServerResponse } from './answers.js'
import type { ApiServerRequest } from './authentication.js'
import type { ObjectCache } from './object-cache.js'
import { requestLabels } from './request-labels.js'
import type { RequestTarget } from './request-target.js'
import { version } from './version.js'

/** Bounds in seconds, as the upstream API server's. */
const durationBuckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const sizeBuckets = Array.from({ length: 7 }, (_, i) => 1000 * 10 ** i)

const where = ['group', 'version', 'resource', 'subresource', 'scope', 'component'] as const
const asked = ['verb', 'dry_run', ...where] as const

/** What the server tells of itself, under upstream's names (apiserver/pkg/endpoints/metrics). */
export interface ApiMetrics {
  readonly registry: Registry
  /** Counts a request from now until its connection, or its stream, is done with it. */
  began(
    request: ApiServerRequest,
    response: ApiServerResponse,
    upgraded?: { once(event: 'close', listener: () => void): unknown },
  ): SeenRequest
  authenticated(user: string | undefined): void
}

export interface SeenRequest {
  /** What the request turned out to be about; said before it is answered. */
  aims(target: RequestTarget | undefined): void
}

interface Parts {
  readonly store: Store
  readonly cache: ObjectCache
}

export function createApiMetrics({ store, cache }: Parts): ApiMetrics {
  const registry = new Registry()
  const registers = [registry]
  const requests = new Counter({
    name: 'apiserver_request_total',
    help: 'Requests answered',
    labelNames: [...asked, 'code'],
    registers,
  })
  const duration = new Histogram({
    name: 'apiserver_request_duration_seconds',
    help: 'Time from the first byte of a request to the last of its answer',
    labelNames: asked,
    buckets: durationBuckets,
    registers,
  })
  const sizes = new Histogram({
    name: 'apiserver_response_sizes',
    help: 'Bytes of answers',
    labelNames: ['verb', ...where],
    buckets: sizeBuckets,
    registers,
  })
  const inFlight = new Gauge({
    name: 'apiserver_current_inflight_requests',
    help: 'Requests being answered now, but for those that last',
    labelNames: ['request_kind'],
    registers,
  })
  for (const request_kind of ['mutating', 'readOnly']) inFlight.set({ request_kind }, 0)
  const lasting = new Gauge({
    name: 'apiserver_longrunning_requests',
    help: 'Watches, logs and streams that are open now',
    labelNames: ['verb', ...where],
    registers,
  })
  const deprecated = new Gauge({
    name: 'apiserver_requested_deprecated_apis',
    help: '1 for APIs that have a successor and were asked for',
    labelNames: ['group', 'version', 'resource', 'subresource', 'removed_release'],
    registers,
  })
  const users = new Counter({
    name: 'authenticated_user_requests',
    help: 'Requests of users who are known, by name',
    labelNames: ['username'],
    registers,
  })
  const attempts = new Counter({
    name: 'authentication_attempts',
    help: 'Attempts to come in, by outcome',
    labelNames: ['result'],
    registers,
  })
  observeStore({ store, cache }, registers)
  observeProcess(registers)

  return {
    registry,
    began(request, response, upgraded) {
      const start = process.hrtime.bigint()
      const isReading = request.method === 'GET' || request.method === 'HEAD'
      let target: RequestTarget | undefined
      let isOpen = false
      const labels = () => requestLabels(request, target)
      const kind = { request_kind: isReading ? 'readOnly' : 'mutating' }
      inFlight.inc(kind)
      ;(upgraded ?? response).once('close', () => {
        const { dry_run, isLasting: _, ...place } = labels()
        if (isOpen) lasting.dec(place)
        else inFlight.dec(kind)
        requests.inc({ ...place, dry_run, code: response.statusCode })
        const { scope, component, verb, group, version, resource, subresource } = place
        if (!isOpen) duration.observe({ ...place, dry_run }, Number(process.hrtime.bigint() - start) / 1e9)
        const size = Number(response.getHeader('content-length') ?? Number.NaN)
        if (isReading && !Number.isNaN(size)) sizes.observe({ scope, component, verb, group, version, resource, subresource }, size)
      })
      return {
        aims(found) {
          target = found
          const { isLasting, dry_run: _, ...place } = labels()
          if (isLasting) {
            isOpen = true
            inFlight.dec(kind)
            lasting.inc(place)
          }
          if (found && found.resource.warnings.length > 0) {
            const { group, version, resource, subresource } = place
            deprecated.set({ group, version, resource, subresource, removed_release: '' }, 1)
          }
        },
      }
    },
    authenticated(username) {
      attempts.inc({ result: username === undefined ? 'failure' : 'success' })
      if (username !== undefined) users.inc({ username: knownKind(username) })
    },
  }
}

/** Names of people and accounts are without end; upstream tells of them as one. */
const knownKind = (username: string): string => (/^system:(?!serviceaccount:|node:)/.test(username) ? username : 'other')

function observeStore({ store, cache }: Parts, registers: Registry[]): void {
  new Gauge({
    name: 'apiserver_resource_objects',
    help: 'Objects stored, by kind',
    labelNames: ['group', 'resource'],
    registers,
    collect() {
      for (const row of stored) this.set({ group: row.group, resource: row.resource }, cache.collection(row).size)
    },
  })
  new Gauge({
    name: 'apiserver_storage_objects',
    help: 'Objects stored, by kind; apiserver_resource_objects has the group apart',
    labelNames: ['resource'],
    registers,
    collect() {
      for (const row of stored)
        this.set({ resource: row.group === '' ? row.resource : `${row.resource}.${row.group}` }, cache.collection(row).size)
    },
  })
  new Gauge({
    name: 'apiserver_storage_size_bytes',
    help: 'What the store takes on disk',
    labelNames: ['storage_cluster_id'],
    registers,
    async collect() {
      this.set({ storage_cluster_id: 'etcd-0' }, (await store.size()).bytes)
    },
  })
}

const stored = resourceTable.filter(({ storedAs, verbs }) => !storedAs && verbs.includes('delete'))

function observeProcess(registers: Registry[]): void {
  const gauge = (name: string, help: string, read: () => number) => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  gauge('process_resident_memory_bytes', 'Memory of this process', () => process.memoryUsage.rss())
  gauge('process_start_time_seconds', 'When this process began, since the epoch', () => Date.now() / 1000 - process.uptime())
  gauge('process_cpu_seconds_total', 'Time this process has computed', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  const { major, minor, gitVersion: git_version, gitCommit: git_commit, platform } = version
  new Gauge({
    name: 'kubernetes_build_info',
    help: 'What was built',
    labelNames: ['major', 'minor', 'git_version', 'git_commit', 'platform'],
    registers,
  }).set({ major: major ?? '', minor: minor ?? '', git_version, git_commit, platform }, 1)
}
