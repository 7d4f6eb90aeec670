import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { isPodwireError, PodwireError } from '../../base/errors/podwire-error.js'
import type { LabSpec } from '../../lab/lab-spec.js'
import { type BroughtUp, bringUp } from '../bring-up.js'
import { withInterrupt } from '../interrupt.js'
import { defaultLabName, labOption, outputOption, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'
import { createProgress, silentProgress } from '../progress.js'
import { textTable } from '../text-table.js'
import { contextName, mergeContext } from '../user-kubeconfig.js'

interface UpCommandOptions {
  readonly name?: string
  readonly file?: string
  readonly output: string
}

/** `podwire up`. */
export const upCommand = (parts: Parts): Command =>
  new Command('up')
    .description('bring a lab up; kubectl then finds it under the context podwire-<lab>')
    .option('-f, --file <lab.yaml>', 'the lab to make (default: three nodes, as in examples/labs/default.yaml)')
    .addOption(labOption())
    .addOption(outputOption('table', 'json'))
    .action(async (options: UpCommandOptions) => {
      const { terminal } = parts
      requireRoot(parts, 'up')
      const spec = await readSpec(parts, options)
      const progress = options.output === 'json' ? silentProgress : createProgress(terminal)
      const brought = await withInterrupt(terminal, `./podwire down --name ${spec.name}`, signal => bringUp(parts, spec, progress, signal))
      await offerContext(parts, brought)
      terminal.out(options.output === 'json' ? `${JSON.stringify(asJson(brought), undefined, 2)}\n` : summary(brought))
    })

/** What the file says; the option wins over the name in it. */
async function readSpec(parts: Parts, { name, file }: UpCommandOptions): Promise<LabSpec> {
  if (file === undefined) return parts.defaultLab(name ?? defaultLabName)
  const spec = parts.parseLab(await readText(file), file)
  return name === undefined ? spec : { ...spec, name }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    throw new PodwireError('CONFIG_INVALID', `${file} cannot be read: ${words}`, {
      hint: 'examples/labs/ holds complete files',
      cause: error,
    })
  }
}

/** A kubeconfig of the user that we cannot write is no reason to take the lab down. */
async function offerContext(parts: Parts, { lab }: BroughtUp): Promise<void> {
  try {
    await mergeContext(lab.spec.name, lab.kubeconfig, parts.terminal.env)
  } catch (error) {
    if (!isPodwireError(error)) throw error
    parts.terminal.note(`warning: ${error.message}\n${error.hint === undefined ? '' : `hint: ${error.hint}\n`}`)
  }
}

const asJson = ({ lab, steps, totalMs }: BroughtUp) => ({
  lab: lab.spec.name,
  context: contextName(lab.spec.name),
  kubeconfig: lab.kubeconfig,
  hosts: lab.hosts.map(({ role, host, address }) => ({ name: host.name, role, address })),
  steps,
  totalMs,
})

function summary({ lab, steps, totalMs }: BroughtUp): string {
  const { name } = lab.spec
  const option = name === defaultLabName ? '' : ` --name ${name}`
  const rows = steps.map(({ step, ms }) => [`${(ms / 1000).toFixed(2)} s`, step])
  return [
    textTable(['time', 'step'], rows),
    `Lab ${name} is up after ${(totalMs / 1000).toFixed(1)} s.`,
    `  kubectl --context ${contextName(name)} get nodes`,
    `  ./podwire flow test flows/${option}`,
    `  ./podwire down${option}`,
    '',
  ].join('\n')
}
