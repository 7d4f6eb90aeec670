import { PodwireError } from '../base/errors/podwire-error.js'
import { builtProgram } from './built-program.js'
import { type Command, runCommand, startCommand } from './command.js'
import type { LocalHost } from './host.js'
import { netnsOf, withNetns } from './netns.js'
import { listProcesses, type ProcessInfo } from './proc.js'

/** What a host's first process bears on its command line. */
export interface HostMark {
  readonly lab: string
  readonly host: string
  /** Further facts about the host, as `role=node`, so that whoever finds it need not look elsewhere. */
  readonly facts: Readonly<Record<string, string>>
}

/** One thing to do to a new host's file tree; bin/host-init.c says what each does. */
export type TreeStep =
  | { readonly do: 'hostname'; readonly name: string }
  | { readonly do: 'overlay' | 'tmpfs' | 'umount'; readonly dir: string }
  | { readonly do: 'bind'; readonly source: string; readonly dir: string }

/**
 * Makes a host: new net, mount, uts, ipc and pid namespaces under a PID 1 of ours that outlives this process.
 * Errors: COMMAND_FAILED with what could not be done, and nothing is left; ABORTED.
 */
export async function createNamespaceHost(mark: HostMark, tree: readonly TreeStep[], signal: AbortSignal): Promise<LocalHost> {
  const file = builtProgram('host-init')
  const args = Object.entries({ lab: mark.lab, host: mark.host, ...mark.facts }).map(([key, value]) => `${key}=${value}`)
  const command: Command = { file, args, argv0: markName, asked: [markName, ...args], isEntered: false, where: '' }
  const { stdout } = await runCommand(command, { input: tree.map(instruction).join(''), signal })
  const pid = Number(stdout)
  if (!Number.isInteger(pid)) throw new PodwireError('INTERNAL', `host-init answered ${JSON.stringify(stdout)} instead of a PID`)
  return namespaceHost(mark, pid)
}

const markName = 'podwire-host'

function instruction(step: TreeStep): string {
  const fields = step.do === 'hostname' ? [step.name] : step.do === 'bind' ? [step.source, step.dir] : [step.dir]
  const bad = fields.find(field => /[\t\n\0]/.test(field))
  if (bad !== undefined) throw new PodwireError('INTERNAL', `${JSON.stringify(bad)} cannot be part of an instruction`)
  return `${[step.do, ...fields].join('\t')}\n`
}

/** The host whose PID 1 is `pid`. Every command first makes sure that the PID still bears the mark. */
export function namespaceHost(mark: HostMark, pid: number): LocalHost {
  const enter = (netnsPath: string | undefined) => {
    const command = (argv: readonly string[], options: readonly string[] = []): Command => ({
      file: builtProgram('host-enter'),
      args: ['--host', String(pid), mark.lab, mark.host, ...(netnsPath ? ['--net', netnsPath] : []), ...options, '--', ...argv],
      asked: argv,
      isEntered: true,
      where: ` on ${mark.host}`,
    })
    return {
      name: mark.host,
      run: ((argv, options) => runCommand(command(argv), options)) satisfies LocalHost['run'],
      start: ((argv, options = {}) => {
        const { logFile, detached } = options
        const extra = [...(logFile === undefined ? [] : ['--log', logFile]), ...(detached ? ['--detach'] : [])]
        return startCommand(command(argv, extra), { ...options, isLoggedByWrapper: logFile !== undefined })
      }) satisfies LocalHost['start'],
      enter,
    }
  }
  return { ...enter(undefined), pid, netns: fn => withNetns(netnsOf(pid), fn) }
}

/** A process that bears the mark of a host. */
export interface MarkedProcess extends ProcessInfo {
  readonly mark: HostMark
  /** It is the PID 1 of its host; otherwise it is about to make one. */
  readonly isInit: boolean
}

/** The processes that bear the mark of any host, or of the hosts of one lab. */
export function findMarked(lab?: string): readonly MarkedProcess[] {
  const isOfLab = (mark: HostMark | undefined) => mark !== undefined && (lab === undefined || mark.lab === lab)
  return listProcesses(argv => isOfLab(readMark(argv))).map(process => ({
    ...process,
    mark: readMark(process.argv)!,
    isInit: process.pidInNamespaces.length > 1 && process.pidInNamespaces.at(-1) === 1,
  }))
}

function readMark([name, ...facts]: readonly string[]): HostMark | undefined {
  if (name !== markName) return undefined
  const { lab, host, ...rest } = Object.fromEntries(facts.map(fact => fact.split('=', 2) as [string, string]))
  return lab === undefined || host === undefined ? undefined : { lab, host, facts: rest }
}
