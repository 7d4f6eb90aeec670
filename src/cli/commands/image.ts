import { Command } from 'commander'
import { withInterrupt } from '../interrupt.js'
import { labOption, requireLab, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'
import { createProgress } from '../progress.js'

/** `podwire image load`. */
export function imageCommand(parts: Parts): Command {
  const load = new Command('load')
    .description('put the images of an archive (docker save, OCI layout) on every node of a lab')
    .argument('<file>', 'a tar file')
    .addOption(labOption())
    .action(async (file: string, { name }: { name?: string }) => {
      requireRoot(parts, 'image load')
      const lab = await requireLab(parts, name)
      const names = await withInterrupt(parts.terminal, 'run the same command again', signal =>
        createProgress(parts.terminal).phase(`Loading ${file}`, () => parts.importImage(lab, file, signal)),
      )
      for (const image of names) parts.terminal.out(`${image}\n`)
    })
  return new Command('image').description('images of the nodes').addCommand(load)
}
