import { Command, InvalidArgumentError } from 'commander'

import { withInterrupt } from '../interrupt.js'
import { labOption, requireLab, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'

/** `podwire ui`. */
export function uiCommand(parts: Parts): Command {
  return new Command('ui')
    .description('serve a live page of the lab on 127.0.0.1: Pods, packets as they pass, rules that count, switches')
    .addOption(labOption())
    .option('--port <port>', 'on 127.0.0.1; 0 takes one that is free', parsePort, 0)
    .action(async ({ name, port }: { readonly name?: string; readonly port: number }) => {
      requireRoot(parts, 'ui')
      const { terminal } = parts
      const lab = await requireLab(parts, name)
      const client = parts.connect(lab.kubeconfig)
      try {
        await withInterrupt(terminal, 'nothing: the lab stays as it was', signal =>
          parts.runUi({ lab, client, port, onListening: url => terminal.out(`Open ${url}\nCtrl-C ends it.\n`) }, signal),
        )
      } finally {
        client.close()
      }
    })
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65535) throw new InvalidArgumentError('Use 0 to 65535.')
  return port
}
