import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, Option } from 'commander'
import { PodwireError } from '../../base/errors/podwire-error.js'
import { parseNetworkList } from '../../cni-conformance/subject.js'
import {
  type ConformanceFormat,
  caseLines,
  conformanceFormats,
  conformanceSummary,
  conforms,
  formatConformance,
} from '../conformance-formats.js'
import { withInterrupt } from '../interrupt.js'
import { outputOption, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'

interface CniTestOptions {
  readonly case?: readonly string[]
  readonly plugins?: readonly string[]
  readonly output: ConformanceFormat
}

/** `podwire cni-test BIN CONF`: any CNI plugin against the rules of the specification, in a network namespace made for it. */
export const cniTestCommand = (parts: Parts, done: (exitStatus: number) => void): Command =>
  new Command('cni-test')
    .description('run a CNI plugin through the rules of CNI 1.1, in a network namespace of its own; plugins may keep files on this machine')
    .argument('<bin>', 'the program of the plugin, such as dist/podwire-cni or /usr/lib/cni/bridge')
    .argument('<conf>', 'a network configuration or a list, such as examples/cni/bridge.conflist')
    .option('--case <ids...>', 'only cases whose name begins so: add, check/route-gone')
    .addOption(new Option('--plugins <dirs...>', 'where the other plugins of the network are, besides the folder of <bin>'))
    .addOption(outputOption(...conformanceFormats))
    .action(async (bin: string, conf: string, { case: only, plugins = [], output }: CniTestOptions) => {
      const { terminal } = parts
      requireRoot(parts, 'cni-test')
      const file = requireProgram(bin)
      const list = parseNetworkList(readText(conf), conf)
      const onCase = output === 'table' ? { onCase: (each: Parameters<typeof caseLines>[0]) => terminal.out(caseLines(each)) } : {}
      const subject = { file, list, path: plugins.map(dir => resolve(dir)) }
      const outcomes = await withInterrupt(terminal, 'nothing: the namespaces are gone', signal =>
        parts.runConformance({ subject, ...(only === undefined ? {} : { only }), ...onCase }, signal),
      )
      if (outcomes.length === 0)
        throw new PodwireError('CONFIG_INVALID', `no case is named so: ${only?.join(', ')}`, { hint: './podwire cni-test --help' })
      terminal.out(output === 'table' ? conformanceSummary(outcomes) : formatConformance(outcomes, output))
      done(conforms(outcomes) ? 0 : 1)
    })

function requireProgram(bin: string): string {
  const file = resolve(bin)
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats?.isFile() && (stats.mode & 0o111) !== 0) return file
  throw new PodwireError('CONFIG_INVALID', `${bin} is no program`, {
    hint: 'Ours is dist/podwire-cni; those of Debian are in /usr/lib/cni.',
  })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new PodwireError('CONFIG_INVALID', `cannot read ${file}: ${(error as Error).message}`)
  }
}
