import { InvalidArgumentError, Option } from 'commander'
import { PodwireError } from '../base/errors/podwire-error.js'
import type { Lab } from '../lab/lab.js'
import type { Parts } from './parts.js'

/** The lab that is meant when none is named. */
export const defaultLabName = 'podwire'

/** `--name LAB`. */
export const labOption = (): Option =>
  new Option('--name <lab>', `the lab (default: ${defaultLabName})`).argParser(text => {
    if (!/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/.test(text))
      throw new InvalidArgumentError('Use 1 to 12 of a-z, 0-9 and "-", beginning with a letter.')
    return text
  })

/** `-o FORMAT`, the first of `formats` when absent. */
export const outputOption = (...formats: readonly [string, ...string[]]): Option =>
  new Option('-o, --output <format>', 'how to print the result').choices(formats).default(formats[0])

/** The lab, or NOT_FOUND with the way to make it. */
export async function requireLab(parts: Parts, name: string = defaultLabName): Promise<Lab> {
  const lab = await parts.findLab(name)
  if (lab) return lab
  const option = name === defaultLabName ? '' : ` --name ${name}`
  const others = parts.listLabs()
  const known = others.length === 0 ? '' : ` There is: ${others.join(', ')}.`
  throw new PodwireError('NOT_FOUND', `There is no lab named ${name} on this machine.${known}`, { hint: `./podwire up${option}` })
}

/** NOT_PERMITTED unless root. */
export function requireRoot(parts: Parts, command: string): void {
  if (!parts.terminal.isRoot)
    throw new PodwireError('NOT_PERMITTED', `\`podwire ${command}\` needs root.`, { hint: `sudo ./podwire ${command}` })
}
