import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { PodwireError } from '../../base/errors/podwire-error.js'
import type { BenchCase, Scale, Workload } from '../../bench/workload.js'
import { benchTable } from '../bench-table.js'
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
  readonly output: 'table' | 'json'
}

/** `podwire bench WORKLOAD`. */
export function benchCommand(parts: Parts, done: (exitStatus: number) => void): Command {
  const bench = new Command('bench').description('measure side by side, with intervals, against the peers a user would pick')
  for (const workload of parts.workloads) bench.addCommand(workloadCommand(workload, parts, done))
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
    .option('--out <dir>', 'where results.json goes', 'out/bench')
    .addOption(outputOption('table', 'json'))
    .action(async (options: BenchOptions) => {
      const { terminal } = parts
      requireRoot(parts, `bench ${workload.name}`)
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
      terminal.out(options.output === 'json' ? `${JSON.stringify(record, undefined, 2)}\n` : benchTable(record))
      if (options.output === 'table') terminal.note(`Every sample: ${dir}/results.json\n`)
      done(record.isPartial || record.cases.some(({ voided }) => voided.length > 0) ? 1 : 0)
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
