import { Command } from 'commander'
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
  return new Command('flow').description('packet-flow tests').addCommand(test)
}
