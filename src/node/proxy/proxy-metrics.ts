import { Counter, Gauge, Histogram, Registry } from 'prom-client'

import type { EndpointSlice } from '../../api/generated/types.js'
import { countWithoutLocalEndpoints } from '../../service-model/health-checks.js'
import type { ServiceState } from '../../service-model/service-state.js'
import type { SyncReport } from './measured-backend.js'

/** When the change that made this version of an EndpointSlice happened; its controller writes it (RFC 3339). */
const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

/** Bounds in seconds: 1 ms doubling fifteen times, as kube-proxy's. */
const syncBuckets = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i)
/** Quarter seconds to a second, seconds to a minute, then tens of seconds up to five minutes. */
const programmingBuckets = [0.25, 0.5, ...Array.from({ length: 59 }, (_, i) => i + 1), ...Array.from({ length: 25 }, (_, i) => 60 + 10 * i)]

/** What kube-proxy tells of itself, under the same names (pkg/proxy/metrics). */
export interface ProxyMetrics {
  readonly registry: Registry
  serviceChanged(): void
  sliceChanged(): void
  /** `states`: what each family's kernel part holds now; `slices`: the EndpointSlices they were made of. */
  synced(report: SyncReport, states: readonly ServiceState[], slices: readonly EndpointSlice[]): void
  failed(mode: string): void
  answered(path: 'healthz' | 'livez', status: number): void
}

/** Metrics of one proxy; `nowMs` is the time since the epoch. */
export function createProxyMetrics(nowMs: () => number): ProxyMetrics {
  const registry = new Registry()
  const registers = [registry]
  const histogram = (name: string, help: string, buckets: number[]) => new Histogram({ name, help, buckets, registers })
  const counter = <T extends string = never>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Counter<T>({ name, help, labelNames, registers })
  const gauge = <T extends string = never>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Gauge<T>({ name, help, labelNames, registers })

  const sync = histogram('kubeproxy_sync_proxy_rules_duration_seconds', 'Duration of a sync of the rules', syncBuckets)
  const full = histogram('kubeproxy_sync_full_proxy_rules_duration_seconds', 'Duration of a sync that compared everything', syncBuckets)
  const partial = histogram('kubeproxy_sync_partial_proxy_rules_duration_seconds', 'Duration of a sync of what changed', syncBuckets)
  const programming = histogram(
    'kubeproxy_network_programming_duration_seconds',
    'Time from the change of an endpoint to its rules',
    programmingBuckets,
  )
  const lastSync = gauge('kubeproxy_sync_proxy_rules_last_timestamp_seconds', 'When the rules were last brought up to date')
  const lastQueued = gauge('kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds', 'When a sync was last asked for')
  const endpointChanges = counter('kubeproxy_sync_proxy_rules_endpoint_changes_total', 'Changes of endpoints seen')
  const endpointsPending = gauge('kubeproxy_sync_proxy_rules_endpoint_changes_pending', 'Changes of endpoints that no sync has taken up')
  const serviceChanges = counter('kubeproxy_sync_proxy_rules_service_changes_total', 'Changes of Services seen')
  const servicesPending = gauge('kubeproxy_sync_proxy_rules_service_changes_pending', 'Changes of Services that no sync has taken up')
  const noLocal = gauge('kubeproxy_sync_proxy_rules_no_local_endpoints_total', 'Services of a Local policy without an endpoint here', [
    'traffic_policy',
  ])
  const restoreFailures = counter('kubeproxy_sync_proxy_rules_iptables_restore_failures_total', 'Syncs that iptables-restore refused')
  const nftablesFailures = counter('kubeproxy_sync_proxy_rules_nftables_sync_failures_total', 'Syncs that nft refused')
  const healthz = counter('kubeproxy_proxy_healthz_total', 'Answers of /healthz by status', ['code'])
  const livez = counter('kubeproxy_proxy_livez_total', 'Answers of /livez by status', ['code'])

  const queued = () => lastQueued.set(nowMs() / 1000)
  /** Slices are immutable objects: one that was counted once is not counted again. */
  const counted = new WeakSet<EndpointSlice>()

  return {
    registry,
    serviceChanged() {
      serviceChanges.inc()
      servicesPending.inc()
      queued()
    },
    sliceChanged() {
      endpointChanges.inc()
      endpointsPending.inc()
      queued()
    },
    synced({ durationMs, isFull }, states, slices) {
      sync.observe(durationMs / 1000)
      const ofKind = isFull ? full : partial
      ofKind.observe(durationMs / 1000)
      lastSync.set(nowMs() / 1000)
      endpointsPending.set(0)
      servicesPending.set(0)
      const without = states.map(countWithoutLocalEndpoints)
      noLocal.set({ traffic_policy: 'internal' }, sum(without.map(({ internal }) => internal)))
      noLocal.set({ traffic_policy: 'external' }, sum(without.map(({ external }) => external)))
      for (const slice of slices) {
        if (counted.has(slice)) continue
        counted.add(slice)
        const triggered = Date.parse(slice.metadata?.annotations?.[triggerTimeAnnotation] ?? '')
        if (!Number.isNaN(triggered)) programming.observe(Math.max(0, nowMs() - triggered) / 1000)
      }
    },
    failed(mode) {
      if (mode.startsWith('nftables')) nftablesFailures.inc()
      else restoreFailures.inc()
    },
    answered(path, status) {
      const answers = path === 'healthz' ? healthz : livez
      answers.inc({ code: String(status) })
    },
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
