import { Command } from 'commander'
import { outputOption } from '../lab-option.js'
import type { Parts } from '../parts.js'

/** `podwire doctor`. */
export const doctorCommand = (parts: Parts, done: (exitStatus: number) => void): Command =>
  new Command('doctor')
    .description('show what this machine needs, what is missing, and the command that mends it (needs no root)')
    .addOption(outputOption('table', 'json'))
    .action(async ({ output }: { output: string }) => done(await parts.doctor(['-o', output])))
