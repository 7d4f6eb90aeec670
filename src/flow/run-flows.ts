import { mkdir } from 'node:fs/promises'
import { cpus, release } from 'node:os'
import { join } from 'node:path'

import type { RunRecord } from '../base/results/run-record.js'
import { applyGiven } from './apply-given.js'
import { FlowRun, type FlowRunOptions } from './flow-run.js'
import { FlowSession } from './flow-session.js'

/** The name of the capture beside results.json. */
const pcapngName = 'flows.pcapng'

/**
 * Sends every flow twice, first unwatched and then with captures in all namespaces on its way, and compares what was seen with what must be.
 * Errors: what the manifests under `given` meet; ABORTED. What goes wrong with one flow is its verdict.
 */
export async function runFlows(options: FlowRunOptions, outerSignal: AbortSignal): Promise<RunRecord> {
  const { batches, hosts, client, lab, outDir, onFlow } = options
  const started = Date.now()
  await mkdir(outDir, { recursive: true })
  const session = new FlowSession(options, outerSignal)
  const { signal } = session
  try {
    await applyGiven(batches.flat(), client, signal)
    const run = new FlowRun(options, session)
    for (const batch of batches) {
      for (const { test } of batch) onFlow?.(test.metadata.name)
      await run.sendUnwatched(batch)
    }
    const { records, packetsLost } = await run.sendWatched(join(outDir, pcapngName), onFlow)
    return {
      format: 'podwire.dev/run/v1',
      startedAt: new Date(started).toISOString(),
      durationMs: Date.now() - started,
      lab: {
        name: lab.name,
        substrate: lab.substrate,
        datapath: lab.datapath,
        proxy: lab.proxy,
        nodes: hosts.filter(({ role }) => role === 'node').map(({ host }) => host.name),
      },
      machine: { kernel: release(), node: process.version, cpus: cpus().length },
      pcapng: pcapngName,
      packetsLost,
      flows: [...records],
    }
  } finally {
    await session.close()
  }
}
