import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { PodwireError } from '../../base/errors/podwire-error.js'
import { BenchRecord } from '../../base/results/bench-record.js'
import type { BenchCase, Scale, Workload } from '../../bench/workload.js'
import { benchTable } from '../bench-table.js'
import { comparedText } from '../compared-text.js'
import { withInterrupt } from '../interrupt.js'
import { outputOption, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'
import { createProgress, silentProgress } from '../progress.js'

interface BenchOptions {
  readonly quick?: true
  readonly full?: true
  readonly case?: readonly string[]
  readonly arm?: ReadonlyMap<string, string>
  readonly rounds?: number
  readonly seed: number
  readonly out: string
  readonly output: BenchFormat
  readonly compare?: string
}

const benchFormats = ['table', 'json', 'csv'] as const
type BenchFormat = (typeof benchFormats)[number]

/** `podwire bench WORKLOAD`, and what to do with the results of one or two runs. */
export function benchCommand(parts: Parts, done: (exitStatus: number) => void): Command {
  const bench = new Command('bench').description('measure side by side, with intervals, against the peers a user would pick')
  for (const workload of parts.workloads) bench.addCommand(workloadCommand(workload, parts, done))
  bench.addCommand(compareCommand(parts, done))
  bench.addCommand(plotCommand(parts))
  return bench
}

function workloadCommand(workload: Workload, parts: Parts, done: (exitStatus: number) => void): Command {
  const command = new Command(workload.name).description(workload.summary)
  for (const [part, summary] of Object.entries(workload.parts ?? {})) command.option(`--${part}`, summary)
  return command
    .addOption(new Option('--quick', 'few rounds, small sizes: about a minute').conflicts('full'))
    .option('--full', 'many rounds, all sizes: for publication')
    .option('--case <name...>', 'only these cases')
    .option('--arm <name=file>', 'a further arm: a program or a file that the workload knows how to run', parseArm)
    .option('--rounds <n>', 'measured rounds of each case', parseCount)
    .option('--seed <n>', 'the order of arms and the bootstrap come from it', parseCount, 1)
    .option('--compare <results.json>', 'an earlier run, whose ratios are held against this one; exits with 1 when one is worse')
    .option('--out <dir>', 'where results.json and report.html go', 'out/bench')
    .addOption(outputOption(...benchFormats))
    .action(async (options: BenchOptions) => {
      const { terminal } = parts
      requireRoot(parts, `bench ${workload.name}`)
      const earlier = options.compare === undefined ? undefined : await readBenchmark(options.compare)
      const progress = options.output === 'table' ? createProgress(terminal) : silentProgress
      const scale: Scale = options.quick ? 'quick' : options.full ? 'full' : 'default'
      const record = await withInterrupt(terminal, 'nothing: whole rounds are written', signal =>
        progress.phase(`Benchmark ${workload.name}`, async say => {
          const context = { scale, givenArms: options.arm ?? new Map<string, string>(), say }
          const cases = workload.cases(context)
          assertCases(workload, cases, options.case)
          const chosen = Object.keys(workload.parts ?? {}).filter(part => command.getOptionValue(part) === true)
          const only = options.case ?? (chosen.length === 0 ? undefined : namesOfParts(cases, chosen))
          const { rounds, seed } = options
          return parts.runWorkload(
            {
              workload,
              context,
              seed,
              version: parts.version,
              ...(only === undefined ? {} : { only }),
              ...(rounds === undefined ? {} : { rounds }),
            },
            signal,
          )
        }),
      )
      const dir = join(options.out, workload.name)
      await mkdir(dir, { recursive: true })
      await writeFile(join(dir, 'results.json'), `${JSON.stringify(record, undefined, 2)}\n`)
      await writeFile(join(dir, 'report.html'), parts.renderBenchmark(record))
      const comparison = earlier && parts.compareRecords(earlier, record)
      const formats: Readonly<Record<BenchFormat, () => string>> = {
        table: () => `${benchTable(record)}${comparison === undefined ? '' : `\n${comparedText(comparison)}`}`,
        json: () => `${JSON.stringify(record, undefined, 2)}\n`,
        csv: () => parts.benchCsv(record),
      }
      terminal.out(formats[options.output]())
      if (options.output === 'table') terminal.note(`Plots: ${dir}/report.html; every sample: ${dir}/results.json\n`)
      const isVoid = record.cases.some(({ voided }) => voided.length > 0)
      done(record.isPartial || isVoid || comparison?.some(({ verdict }) => verdict === 'worse') ? 1 : 0)
    })
}

function compareCommand(parts: Parts, done: (exitStatus: number) => void): Command {
  return new Command('compare')
    .description('two runs of one subject, metric by metric, by their ratios; exits with 1 when one is worse (needs no root)')
    .argument('<old>', "the earlier run's results.json")
    .argument('<new>', "the later run's results.json")
    .action(async (old: string, now: string) => {
      const comparison = parts.compareRecords(await readBenchmark(old), await readBenchmark(now))
      parts.terminal.out(comparedText(comparison))
      done(comparison.some(({ verdict }) => verdict === 'worse') ? 1 : 0)
    })
}

function plotCommand(parts: Parts): Command {
  return new Command('plot')
    .description('a run as a page of plots and tables (needs no root)')
    .argument('<results>', 'results.json of the run')
    .option('--out <file>', 'the page', 'out/bench/report.html')
    .action(async (results: string, { out }: { readonly out: string }) => {
      const page = parts.renderBenchmark(await readBenchmark(results))
      await mkdir(dirname(out), { recursive: true })
      await writeFile(out, page)
      parts.terminal.note(`Written: ${out}\n`)
    })
}

async function readBenchmark(file: string): Promise<BenchRecord> {
  const hint = './podwire bench cni --quick writes out/bench/cni/results.json'
  let value: unknown
  try {
    value = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    throw new PodwireError('CONFIG_INVALID', `${file} cannot be read: ${words}`, { hint, cause: error })
  }
  const { success, data, error } = BenchRecord.safeParse(value)
  if (success) return data
  const [issue] = error.issues
  throw new PodwireError('CONFIG_INVALID', `${file} holds no benchmark: ${issue?.path.join('.') || 'document'}: ${issue?.message}`, {
    hint,
  })
}

const namesOfParts = (cases: readonly BenchCase[], parts: readonly string[]): readonly string[] =>
  cases.filter(({ part }) => part !== undefined && parts.includes(part)).map(({ name }) => name)

function assertCases(workload: Workload, cases: readonly { readonly name: string }[], only: readonly string[] | undefined): void {
  const unknown = only?.find(wanted => !cases.some(({ name }) => name === wanted))
  if (unknown === undefined) return
  throw new PodwireError('CONFIG_INVALID', `bench ${workload.name} has no case "${unknown}" at this scale.`, {
    hint: `It has: ${cases.map(({ name }) => `"${name}"`).join(', ')}`,
  })
}

function parseArm(text: string, sofar: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
  const [, name, file] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (name === undefined || file === undefined)
    throw new InvalidArgumentError('write NAME=FILE, for example coredns=/usr/local/bin/coredns')
  return new Map([...sofar, [name, file]])
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError('use a whole number from 1 on')
  return count
}
