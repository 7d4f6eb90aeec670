import { Command } from 'commander'

import type { RunRecord } from '../../base/results/run-record.js'
import { withInterrupt } from '../interrupt.js'
import { labOption, outputOption, requireLab, requireRoot } from '../lab-option.js'
import { matrixText } from '../matrix-text.js'
import type { Parts, VerifyReport } from '../parts.js'
import { createProgress, silentProgress } from '../progress.js'
import { writeRun } from '../run-and-record.js'
import { formatRun, type RunFormat, runFormats } from '../run-formats.js'
import { type Paint, paintFor, textLadder } from '../text-ladder.js'

interface VerifyCommandOptions {
  readonly name?: string
  readonly namespace?: string
  readonly ipv6?: true
  readonly output: RunFormat
  readonly out: string
}

/** `podwire verify`. */
export function verifyCommand(parts: Parts, done: (exitStatus: number) => void): Command {
  return new Command('verify')
    .description('predict who reaches whom and by which hops from the objects of the cluster, send the packets, and compare')
    .addOption(labOption())
    .option('-n, --namespace <namespace>', 'only its Pods and Services (default: all)')
    .option('-6, --ipv6', 'over IPv6, where the lab has it')
    .addOption(outputOption(...runFormats))
    .option('--out <dir>', 'where report.html, results.json and the pcapng go', 'out/verify')
    .action(async ({ name, namespace, ipv6, output, out }: VerifyCommandOptions) => {
      const { terminal } = parts
      requireRoot(parts, 'verify')
      const lab = await requireLab(parts, name)
      const progress = output === 'table' ? createProgress(terminal) : silentProgress
      const client = parts.connect(lab.kubeconfig)
      try {
        const report = await withInterrupt(terminal, 'nothing: the lab stays as it was', signal =>
          progress.phase('Pairs', () => parts.verify({ lab, client, namespace, family: ipv6 ? 6 : 4, outDir: out }, signal)),
        )
        await writeRun(parts, report.record, out)
        terminal.out(output === 'table' ? reportText(report, paintFor(terminal.hasColor)) : formatRun(report.record, output, false))
        if (output === 'table') terminal.note(`Report: ${out}/report.html\n`)
        done(differing(report.record).length === 0 ? 0 : 1)
      } finally {
        client.close()
      }
    })
}

const differing = ({ flows }: RunRecord) => flows.filter(({ verdict }) => verdict === 'fail' || verdict === 'error')

/** The matrices, the ladders of what differs, what was left out, and one line that sums up. */
function reportText({ record, leftOut }: VerifyReport, paint: Paint): string {
  const differ = differing(record)
  const same = record.flows.length - differ.length
  const seconds = (record.durationMs / 1000).toFixed(1)
  return [
    ...(record.matrices ?? []).map(matrix => matrixText(matrix, paint)),
    ...differ.map(flow => textLadder(flow, paint)),
    ...(leftOut.length > 0 ? [`not asked:\n${leftOut.map(text => `  ${text}\n`).join('')}`] : []),
    `pairs: ${same} as predicted, ${differ.length} not, in ${seconds} s\n`,
  ].join('\n')
}
