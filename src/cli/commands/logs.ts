import { readFile } from 'node:fs/promises'
import { Command, InvalidArgumentError } from 'commander'
import { nodePaths } from '../../base/config/agent-config.js'
import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Lab } from '../../lab/lab.js'
import { labOption, requireLab, requireRoot } from '../lab-option.js'
import type { Parts } from '../parts.js'

interface LogsOptions {
  readonly name?: string
  readonly containerd?: boolean
  readonly tail: number
}

/** `podwire logs`. */
export const logsCommand = (parts: Parts): Command =>
  new Command('logs')
    .description('print what the server said, or the agent of a node')
    .argument('[node]', 'a node; the server when absent')
    .option('--containerd', "the node's containerd instead of its agent")
    .option('--tail <lines>', 'only the last lines', positiveInteger, 200)
    .addOption(labOption())
    .action(async (nodeName: string | undefined, options: LogsOptions) => {
      requireRoot(parts, 'logs')
      const lab = await requireLab(parts, options.name)
      const text = nodeName === undefined ? await serverLog(parts, lab) : await nodeLog(lab, nodeName, options)
      const lines = text.trimEnd().split('\n')
      parts.terminal.out(`${lines.slice(-options.tail).join('\n')}\n`)
    })

async function serverLog(parts: Parts, lab: Lab): Promise<string> {
  const texts = await Promise.all(parts.serverLogs(lab.spec.name).map(file => readFile(file, 'utf8')))
  return texts.join('')
}

async function nodeLog(lab: Lab, nodeName: string, { containerd }: LogsOptions): Promise<string> {
  const node = lab.hosts.find(({ role, host }) => role === 'node' && host.name === nodeName)
  if (!node) {
    const names = lab.hosts.filter(({ role }) => role === 'node').map(({ host }) => host.name)
    throw new PodwireError('NOT_FOUND', `Lab ${lab.spec.name} has no node ${nodeName}.`, { hint: `its nodes are: ${names.join(', ')}` })
  }
  const { stdout } = await node.host.run(['cat', containerd ? nodePaths.containerdLog : nodePaths.agentLog])
  return stdout
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Use a number of lines.')
  return Number(text)
}
