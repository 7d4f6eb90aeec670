import { Command } from 'commander'
import { PodwireError } from '../../base/errors/podwire-error.js'
import { withInterrupt } from '../interrupt.js'
import { labOption, requireLab, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'

/** `podwire node NAME -- CMD`: exits with the command's own status. */
export const nodeCommand = (parts: Parts, done: (exitStatus: number) => void): Command =>
  new Command('node')
    .description('run a command on a host of a lab: a node, the control plane, or one outside the cluster')
    .usage('[options] <host> -- <command...>')
    .argument('<host>', 'as `podwire status` lists it')
    .argument('<command...>', 'the command and its arguments, after --')
    .addOption(labOption())
    .action(async (hostName: string, command: readonly string[], { name }: { name?: string }) => {
      requireRoot(parts, 'node')
      const lab = await requireLab(parts, name)
      const found = lab.hosts.find(({ host }) => host.name === hostName)
      if (!found) {
        const names = lab.hosts.map(({ host }) => host.name).join(', ')
        throw new PodwireError('NOT_FOUND', `Lab ${lab.spec.name} has no host ${hostName}.`, { hint: `its hosts are: ${names}` })
      }
      const status = await withInterrupt(parts.terminal, 'the command may go on', signal => {
        return found.host.start(command, { inheritStreams: true, signal }).ended
      })
      done(status)
    })
