import type { Host } from '../kernel/host.js'
import { type Prober, startProber } from './prober.js'

/** One prober a namespace, started when it is first needed. */
export interface ProberPool {
  of(key: string, host: Host): Prober
  stop(): Promise<void>
}

/** `argv` runs bin/probe on a host. */
export function proberPool(argv: readonly string[], signal: AbortSignal): ProberPool {
  const probers = new Map<string, Prober>()
  return {
    of(key, host) {
      const known = probers.get(key)
      if (known !== undefined) return known
      const prober = startProber(host, argv, signal)
      probers.set(key, prober)
      return prober
    },
    async stop() {
      await Promise.all([...probers.values()].map(prober => prober.stop()))
    },
  }
}
