import { networkInterfaces } from 'node:os'

import type { EndpointSlice, Node } from '../../api/generated/types.js'
import { cidrContains, parseCidr, parseIp } from '../../base/net/address.js'
import type { Clock } from '../../base/time/clock.js'
import { buildHealthChecks } from '../../service-model/health-checks.js'
import type { ServiceState } from '../../service-model/service-state.js'
import { createHealthCheckServers } from './health-check-servers.js'
import { bindPlace, type KubeProxyConfiguration } from './kube-proxy-configuration.js'
import type { SyncObserver } from './measured-backend.js'
import { createProxyHealth } from './proxy-health.js'
import { createProxyMetrics } from './proxy-metrics.js'
import { type BindPlace, type ProxyServers, startProxyServers } from './proxy-servers.js'

/** Where a proxy's words go. */
export interface ProxyLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface ProxySurroundingsOptions {
  readonly configuration: KubeProxyConfiguration
  /** What `/proxyMode` answers. */
  readonly mode: () => string
  /** What each family's part of the kernel was last asked to hold. */
  readonly states: () => readonly ServiceState[]
  readonly slices: () => readonly EndpointSlice[]
  /** How long a change may wait before the proxy is called unhealthy. */
  readonly healthLimitMs: number
  readonly clock: Clock
  readonly log: ProxyLog
}

/** What stands around a service proxy: its health, its metrics, and the health check ports of its Services. */
export interface ProxySurroundings {
  readonly observer: SyncObserver
  readonly places: ProxyServers['places']
  serviceChanged(): void
  sliceChanged(): void
  nodeChanged(node: Node | undefined): void
  close(): Promise<void>
}

/** Opens the servers of a proxy. A place that is taken is an error with `bindAddressHardFail`, else it is logged and not served. */
export async function startProxySurroundings(options: ProxySurroundingsOptions): Promise<ProxySurroundings> {
  const { configuration, mode, states, slices, healthLimitMs, clock, log } = options
  const health = createProxyHealth(clock, healthLimitMs)
  const measured = createProxyMetrics(clock.now)
  const checks = createHealthCheckServers({
    hosts: () => localAddressesIn(configuration.nodePortAddresses),
    isHealthy: health.isAlive,
    onError: ({ service, port }, error) => log.warn({ service, port, error: error.message }, 'a health check port could not be opened'),
  })
  const servers = await openServers({
    healthz: bindPlace(configuration.healthzBindAddress),
    metrics: bindPlace(configuration.metricsBindAddress),
  })

  async function openServers(places: { readonly healthz: BindPlace; readonly metrics: BindPlace }) {
    const start = (some: Partial<typeof places>) =>
      startProxyServers({ healthz: undefined, metrics: undefined, ...some, mode, configuration, health, measured, clock })
    if (configuration.bindAddressHardFail) return [await start(places)]
    const opened = [start({ healthz: places.healthz }), start({ metrics: places.metrics })]
    const settled = await Promise.allSettled(opened)
    return settled.flatMap(each => {
      if (each.status === 'fulfilled') return [each.value]
      log.warn({ error: String(each.reason) }, 'a server of the proxy could not be opened')
      return []
    })
  }

  return {
    places: Object.assign({}, ...servers.map(({ places }) => places)) as ProxyServers['places'],
    observer: {
      onSynced(report) {
        health.synced(report.startedAt)
        measured.synced(report, states(), slices())
        // A Service has one health check port for both families; the endpoints of either count.
        const byPort = new Map(
          states()
            .flatMap(buildHealthChecks)
            .map(check => [check.port, check]),
        )
        checks.update([...byPort.values()])
      },
      onFailed: () => measured.failed(mode()),
    },
    serviceChanged() {
      health.queued()
      measured.serviceChanged()
    },
    sliceChanged() {
      health.queued()
      measured.sliceChanged()
    },
    nodeChanged: health.nodeChanged,
    async close() {
      await Promise.all([checks.close(), ...servers.map(server => server.close())])
    },
  }
}

/** Where NodePorts answer, health checks answer too: the addresses of this network namespace in `ranges`; undefined: everywhere. */
function localAddressesIn(ranges: readonly string[]): readonly string[] | undefined {
  const cidrs = ranges.filter(range => range !== 'primary').map(range => parseCidr(range))
  if (cidrs.length === 0) return undefined
  const all = Object.values(networkInterfaces()).flatMap(each => each?.map(({ address }) => address) ?? [])
  return all.filter(address => cidrs.some(cidr => cidrContains(cidr, parseIp(address))))
}
