import { join, relative } from 'node:path'
import { Command } from 'commander'
import type { RunRecord } from '../../base/results/run-record.js'
import type { Lab } from '../../lab/lab.js'
import { bringUp } from '../bring-up.js'
import { withInterrupt } from '../interrupt.js'
import { defaultLabName, labOption, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'
import { createProgress, type Progress } from '../progress.js'
import { runAndRecord } from '../run-and-record.js'
import { flowSummary, flowTable, isPassed, paintFor, textLadder } from '../text-ladder.js'
import { mergeContext } from '../user-kubeconfig.js'
import { waitForDeployments } from '../wait-for-deployments.js'

interface DemoOptions {
  readonly name?: string
  readonly out: string
  readonly keep?: boolean
}

/** `podwire demo`: a lab, a shop in it, every flow proven, a report; then the lab is gone again. */
export const demoCommand = (parts: Parts, done: (exitStatus: number) => void): Command =>
  new Command('demo')
    .description('bring a three-node lab up, deploy examples/shop, prove the flows of flows/, write a report, take the lab down')
    .addOption(labOption())
    .option('--out <dir>', 'where report.html, results.json and the pcapng go', 'out/demo')
    .option('--keep', 'leave the lab up')
    .action(async ({ name = defaultLabName, out, keep = false }: DemoOptions) => {
      const { terminal } = parts
      requireRoot(parts, 'demo')
      const progress = createProgress(terminal)
      const record = await withInterrupt(terminal, `./podwire down --name ${name}`, async signal => {
        const { lab } = await bringUp(parts, parts.defaultLab(name), progress, signal)
        try {
          const ran = await proveShop(parts, { lab, outDir: out }, progress, signal)
          if (keep) await mergeContext(name, lab.kubeconfig, terminal.env)
          return ran
        } finally {
          // Not with `signal`: a stopped demo takes its lab away all the same.
          if (!keep) await progress.phase(`Taking lab ${name} down`, () => parts.downLab(name, AbortSignal.timeout(60_000)))
        }
      })
      terminal.out(demoText(record, out, terminal.hasColor))
      done(isPassed(record) ? 0 : 1)
    })

interface ShopRun {
  readonly lab: Lab
  readonly outDir: string
}

async function proveShop(parts: Parts, { lab, outDir }: ShopRun, progress: Progress, signal: AbortSignal): Promise<RunRecord> {
  const client = parts.connect(lab.kubeconfig)
  try {
    await progress.phase('Shop: applying examples/shop', () => parts.applyManifests(client, [join(parts.root, 'examples/shop')], signal))
    await progress.phase('Shop: waiting until it is available', () => waitForDeployments(client, 120_000, signal))
  } finally {
    client.close()
  }
  return runAndRecord(parts, { lab, files: [relative('', join(parts.root, 'flows'))], outDir }, progress, signal)
}

function demoText(record: RunRecord, out: string, hasColor: boolean): string {
  const paint = paintFor(hasColor)
  const capture = record.pcapng === undefined ? '' : `, ${out}/${record.pcapng}`
  return [
    ...record.flows.map(flow => textLadder(flow, paint)),
    flowTable(record, paint),
    `Written: ${out}/report.html, ${out}/results.json${capture}`,
    `${flowSummary(record)}\n`,
  ].join('\n')
}
