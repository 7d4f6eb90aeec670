import { setTimeout as delay } from 'node:timers/promises'

import type { DnsServers } from './build-servers.js'
import type { DnsMetrics } from './dns-metrics.js'
import { serveDns } from './serve-dns.js'
import { servePath } from './serve-path.js'

export interface RunOptions {
  /** Tells one version of the configuration from another. */
  readonly version: () => string
  /** Reads the configuration; what it starts ends with the signal. */
  readonly build: (signal: AbortSignal) => DnsServers
  readonly address: string
  readonly isReady: () => boolean
  readonly metrics: DnsMetrics
  readonly onError: (error: unknown) => void
  readonly onServing: (ports: readonly number[]) => void
}

/**
 * Serves a configuration until `signal` aborts, and then as long again as its `lameduck` says. With `reload` a new version takes the place
 * of the old one; one that cannot be read is told to `onError` and the old one stays. Errors: those of the first version.
 */
export async function runServers(options: RunOptions, signal: AbortSignal): Promise<void> {
  let version = options.version()
  let stop = new AbortController()
  let served = options.build(stop.signal)
  try {
    await serve(served, options, stop.signal, signal)
    while (!signal.aborted) {
      await pause(served.reloadMs, signal)
      if (signal.aborted) break
      try {
        const now = options.version()
        if (now === version) continue
        version = now
        const next = new AbortController()
        served = options.build(next.signal)
        stop.abort()
        stop = next
      } catch (error) {
        options.onError(error)
        continue
      }
      await serve(served, options, stop.signal, signal)
    }
    await delay(served.health?.lameduckMs ?? 0)
  } finally {
    stop.abort()
  }
}

/** Until it is time to look again, or for ever when nobody asks for that, or until `signal` aborts. */
function pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
  if (ms !== undefined) return delay(ms, undefined, { signal }).catch(() => {})
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

async function serve(
  { servers, health, readyPort, metricsPort }: DnsServers,
  { address, isReady, metrics: { registry }, onError, onServing }: RunOptions,
  signal: AbortSignal,
  leaving: AbortSignal,
): Promise<void> {
  const good = (isGood: boolean) => ({ status: isGood ? 200 : 503, body: isGood ? 'OK' : '', contentType: 'text/plain' })
  const ready = () => good(isReady() && !leaving.aborted)
  const metrics = async () => ({ status: 200, body: await registry.metrics(), contentType: registry.contentType })
  if (health !== undefined) await servePath({ port: health.port, path: '/health', answer: () => good(true) }, signal)
  if (readyPort !== undefined) await servePath({ port: readyPort, path: '/ready', answer: ready }, signal)
  if (metricsPort !== undefined) await servePath({ port: metricsPort, path: '/metrics', answer: metrics }, signal)
  onServing(await Promise.all(servers.map(server => serveDns({ address, ...server, onError }, signal))))
}
