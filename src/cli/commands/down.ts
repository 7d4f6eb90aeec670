import { Command } from 'commander'
import { withInterrupt } from '../interrupt.js'
import { defaultLabName, labOption, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'
import { createProgress } from '../progress.js'
import { forgetContext } from '../user-kubeconfig.js'

/** `podwire down`. */
export const downCommand = (parts: Parts): Command =>
  new Command('down')
    .description('take a lab away, with all it made on this machine')
    .addOption(labOption())
    .action(async ({ name = defaultLabName }: { name?: string }) => {
      const { terminal } = parts
      requireRoot(parts, 'down')
      const wasThere = await withInterrupt(terminal, 'run the same command again', signal =>
        createProgress(terminal).phase(`Taking lab ${name} down`, () => parts.downLab(name, signal)),
      )
      await forgetContext(name, terminal.env)
      terminal.out(wasThere ? `Lab ${name} is gone.\n` : `There is no lab ${name}: nothing to do.\n`)
    })
