import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunRecord } from '../base/results/run-record.js'
import type { Lab } from '../lab/lab.js'
import type { Parts } from './parts.js'
import type { Progress } from './progress.js'

export interface RecordedRun {
  readonly lab: Lab
  readonly files: readonly string[]
  readonly outDir: string
}

/** Runs flows on a lab and writes `results.json`, `report.html` and the pcapng into `outDir`. */
export async function runAndRecord(
  parts: Parts,
  { lab, files, outDir }: RecordedRun,
  progress: Progress,
  signal: AbortSignal,
): Promise<RunRecord> {
  await mkdir(outDir, { recursive: true })
  const client = parts.connect(lab.kubeconfig)
  try {
    const record = await progress.phase('Flows', onFlow => parts.runFlows({ lab, client, files, outDir, onFlow }, signal))
    await writeFile(join(outDir, 'results.json'), `${JSON.stringify(record, undefined, 2)}\n`)
    await writeFile(join(outDir, 'report.html'), parts.renderReport(record))
    return record
  } finally {
    client.close()
  }
}
