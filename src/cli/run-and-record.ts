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
  const client = parts.connect(lab.kubeconfig)
  try {
    const record = await progress.phase('Flows', onFlow => parts.runFlows({ lab, client, files, outDir, onFlow }, signal))
    await writeRun(parts, record, outDir)
    return record
  } finally {
    client.close()
  }
}

/** Writes `results.json` and `report.html` beside the pcapng. */
export async function writeRun({ renderReport }: Pick<Parts, 'renderReport'>, record: RunRecord, outDir: string): Promise<void> {
  await mkdir(outDir, { recursive: true })
  await writeFile(join(outDir, 'results.json'), `${JSON.stringify(record, undefined, 2)}\n`)
  await writeFile(join(outDir, 'report.html'), renderReport(record))
}
