import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { z } from 'zod'
import { PodwireError } from '../../base/errors/podwire-error.js'
import { type FlowRecord, RunRecord } from '../../base/results/run-record.js'
import { withInterrupt } from '../interrupt.js'
import { labOption, outputOption, requireLab, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'
import { createProgress, silentProgress } from '../progress.js'
import { runAndRecord } from '../run-and-record.js'
import { formatRun, type RunFormat, runFormats } from '../run-formats.js'
import { isPassed } from '../text-ladder.js'

interface FlowTestOptions {
  readonly name?: string
  readonly output: RunFormat
  readonly out: string
}

/** `podwire flow test`. */
export function flowCommand(parts: Parts, done: (exitStatus: number) => void): Command {
  const test = new Command('test')
    .description('send the packets of flow files and judge every hop they took')
    .argument('<files...>', 'files named *.flow.yaml, or folders of them')
    .addOption(labOption())
    .addOption(outputOption(...runFormats))
    .option('--out <dir>', 'where report.html, results.json and the pcapng go', 'out/flow')
    .action(async (files: readonly string[], { name, output, out }: FlowTestOptions) => {
      const { terminal } = parts
      requireRoot(parts, 'flow test')
      const lab = await requireLab(parts, name)
      const progress = output === 'table' ? createProgress(terminal) : silentProgress
      const record = await withInterrupt(terminal, 'nothing: the lab stays as it was', signal =>
        runAndRecord(parts, { lab, files, outDir: out }, progress, signal),
      )
      terminal.out(formatRun(record, output, terminal.hasColor))
      if (output === 'table') terminal.note(`Report: ${out}/report.html\n`)
      done(isPassed(record) ? 0 : 1)
    })
  const draw = new Command('draw')
    .description('print the hop ladder of one flow of a finished run as an SVG file of its own (needs no root, no lab)')
    .argument('<results.json>', 'what `flow test` or `demo` wrote')
    .argument('<flow>', 'the name of the flow')
    .action(async (file: string, flow: string) => parts.terminal.out(parts.renderLadder(await readFlow(file, flow))))
  return new Command('flow').description('packet-flow tests').addCommand(test).addCommand(draw)
}

/** One flow of a recorded run. Errors: CONFIG_INVALID when the file is no run, NOT_FOUND with the flows that it has. */
async function readFlow(file: string, name: string): Promise<FlowRecord> {
  const record = RunRecord.safeParse(await readJson(file))
  if (!record.success) throw new PodwireError('CONFIG_INVALID', `${file} is not a recorded run:\n${z.prettifyError(record.error)}`)
  const { flows } = record.data
  const flow = flows.find(candidate => candidate.name === name)
  if (!flow)
    throw new PodwireError('NOT_FOUND', `${file} has no flow ${name}.`, { hint: `it has: ${flows.map(other => other.name).join(', ')}` })
  return flow
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    throw new PodwireError('CONFIG_INVALID', `${file} cannot be read: ${words}`, {
      hint: './podwire demo writes out/demo/results.json',
      cause: error,
    })
  }
}
