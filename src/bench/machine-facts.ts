import { cpus, loadavg, release, totalmem } from 'node:os'

import type { BenchRecord } from '../base/results/bench-record.js'

/** What the figures were measured on. `version` is podwire's own. */
export function machineFacts(version: string): BenchRecord['machine'] {
  const all = cpus()
  return {
    kernel: release(),
    cpu: all[0]?.model.trim() || 'unknown',
    cpus: all.length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    node: process.version,
    podwire: version,
    load: loadavg()[0] ?? 0,
  }
}
