import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { labOption, requireLab } from '../lab-option.js'
import type { Parts } from '../parts.js'

/** `podwire kubeconfig`. */
export const kubeconfigCommand = (parts: Parts): Command =>
  new Command('kubeconfig')
    .description("print the admin's kubeconfig of a lab")
    .addOption(labOption())
    .action(async ({ name }: { name?: string }) => {
      const lab = await requireLab(parts, name)
      parts.terminal.out(await readFile(lab.kubeconfig, 'utf8'))
    })
