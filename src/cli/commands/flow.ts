import { readFile, writeFile } from 'node:fs/promises'
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
import { isPassed, paintFor, textLadder } from '../text-ladder.js'
import { type AskOptions, ask, askingCommand } from './trace.js'

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
  const explain = new Command('explain')
    .description('print what a preset means in this lab: every hop there and back, as a file would write it')
    .argument('<files...>', 'files named *.flow.yaml, or folders of them')
    .addOption(labOption())
    .action(async (files: readonly string[], { name }: { readonly name?: string }) => {
      requireRoot(parts, 'flow explain')
      const lab = await requireLab(parts, name)
      const client = parts.connect(lab.kubeconfig)
      try {
        parts.terminal.out(
          await withInterrupt(parts.terminal, 'nothing: the lab stays as it was', signal =>
            parts.explainFlows({ lab, client, files }, signal),
          ),
        )
      } finally {
        client.close()
      }
    })
  const record = askingCommand('record')
    .description('send one packet and print a flow file that expects what happened')
    .action(async (from: string, to: string, options: AskOptions) => {
      const text = await ask(parts, { command: 'flow record', from, to, options }, (question, signal) => parts.recordFlow(question, signal))
      parts.terminal.out(text)
    })
  const watch = new Command('watch')
    .description('print the hops of every conversation of Pods and outside hosts as it passes, until Ctrl-C')
    .argument('[filter]', 'only those whose name has this: a namespace, a Pod, a Service, as shop/web')
    .addOption(labOption())
    .addOption(outputOption('table', 'json'))
    .action(async (filter: string | undefined, { name, output }: { readonly name?: string; readonly output: string }) => {
      const { terminal } = parts
      requireRoot(parts, 'flow watch')
      const lab = await requireLab(parts, name)
      const client = parts.connect(lab.kubeconfig)
      const onFlow = (flow: FlowRecord): void => {
        if (filter !== undefined && !flow.name.includes(filter)) return
        terminal.out(output === 'json' ? `${JSON.stringify(flow)}\n` : textLadder(flow, paintFor(terminal.hasColor)))
      }
      try {
        await withInterrupt(terminal, 'nothing: the lab stays as it was', signal => parts.watchFlows({ lab, client, onFlow }, signal))
      } finally {
        client.close()
      }
    })
  const diff = new Command('diff')
    .description('where two runs part: for each flow the first hop that differs (needs no root, no lab)')
    .argument('<good.json>', 'results.json of the run that is right')
    .argument('<bad.json>', 'results.json of the other')
    .option('--html <file>', 'writes a page with both ladders of every flow that differs, side by side')
    .action(async (good: string, bad: string, { html }: { readonly html?: string }) => {
      const [goodRun, badRun] = [await readRun(good), await readRun(bad)]
      const difference = parts.diffRuns(goodRun, badRun)
      if (html !== undefined) await writeFile(html, parts.renderDiff(goodRun, badRun))
      parts.terminal.out(differenceText(difference))
      done(difference.differing.length > 0 || difference.alone.length > 0 ? 1 : 0)
    })
  const flow = new Command('flow').description('packet-flow tests')
  for (const command of [test, explain, record, watch, diff, draw]) flow.addCommand(command)
  return flow
}

function differenceText({ same, differing, alone }: ReturnType<Parts['diffRuns']>): string {
  const blocks = differing.map(({ name, before, good, bad }) =>
    [name, ...before.map(line => `    ${line}`), `  - ${good ?? '(nothing more)'}`, `  + ${bad ?? '(nothing more)'}`, ''].join('\n'),
  )
  const only = alone.map(({ name, run }) => `${name}\n  only in the ${run} run\n`)
  return `${[...blocks, ...only].join('\n')}${blocks.length + only.length > 0 ? '\n' : ''}flows: ${same.length} the same, ${differing.length} differ, ${alone.length} in one run only\n`
}

/** Errors: CONFIG_INVALID when the file is no run. */
async function readRun(file: string): Promise<RunRecord> {
  const record = RunRecord.safeParse(await readJson(file))
  if (!record.success) throw new PodwireError('CONFIG_INVALID', `${file} is not a recorded run:\n${z.prettifyError(record.error)}`)
  return record.data
}

/** One flow of a recorded run. Errors: as `readRun`; NOT_FOUND with the flows that it has. */
async function readFlow(file: string, name: string): Promise<FlowRecord> {
  const { flows } = await readRun(file)
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
