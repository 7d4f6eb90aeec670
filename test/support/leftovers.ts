import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** What a lab could leave on this machine, each as comparable text. */
export interface MachineState {
  /** The root namespace's interfaces. */
  readonly links: readonly string[]
  /** The root namespace's nftables rules, without counters. */
  readonly rules: readonly string[]
  readonly mounts: readonly string[]
  /** Processes that stand in another network namespace than this one, or that belong to podwire. */
  readonly processes: readonly string[]
  readonly cgroups: readonly string[]
  readonly labs: readonly string[]
}

/** Reads the state of this machine. With `only`, processes count only when their command line holds that text: for machines that do other work too. */
export function observeMachine(only?: string): MachineState {
  return {
    links: links(),
    rules: output(['nft', '--stateless', 'list', 'ruleset']).split('\n'),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map(mountOf)
      .filter(mount => only === undefined || mount.includes(only)),
    processes: processes(only),
    cgroups: cgroups().filter(path => only === undefined || path.includes(only)),
    labs: existsSync('/var/lib/podwire/labs') ? readdirSync('/var/lib/podwire/labs').filter(lab => only === undefined || lab === only) : [],
  }
}

/** Processes end, and labs of others go, without our doing; what else was there must still be there. */
const mustStay: readonly (keyof MachineState)[] = ['links', 'rules', 'mounts']

/** What is there that was not, and what is gone that should not be, one line each. */
export function differences(before: MachineState, after: MachineState): readonly string[] {
  const parts = Object.keys(before) as (keyof MachineState)[]
  const added = parts.flatMap(part => after[part].filter(line => !before[part].includes(line)).map(line => `${part}: left behind: ${line}`))
  const gone = mustStay.flatMap(part => before[part].filter(line => !after[part].includes(line)).map(line => `${part}: gone: ${line}`))
  return [...added, ...gone]
}

/** The differences that stay: processes need a moment to end. Waits at most `withinMs`. */
export async function leftovers(before: MachineState, withinMs: number, only?: string): Promise<readonly string[]> {
  const end = performance.now() + withinMs
  for (;;) {
    const found = differences(before, observeMachine(only))
    if (found.length === 0 || performance.now() > end) return found
    await delay(100)
  }
}

function links(): readonly string[] {
  const all = JSON.parse(output(['ip', '-j', 'link'])) as readonly Record<string, unknown>[]
  return all.map(link => JSON.stringify(link))
}

/** Mount point, root, type and source: the numbers of a mount differ from one run to the next. */
function mountOf(line: string): string {
  const [, , , root = '', point = '', , ...rest] = line.split(' ')
  return `${point} ${root} ${rest.slice(rest.indexOf('-') + 1).join(' ')}`
}

function processes(only: string | undefined): readonly string[] {
  const here = readlinkSync('/proc/self/ns/net')
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap(pid => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        const isElsewhere = readlinkSync(`/proc/${pid}/ns/net`) !== here
        const counts = only === undefined ? isElsewhere || /^podwire-host |^containerd-shim/.test(command) : command.includes(only)
        return counts && command !== '' ? [`${pid} ${command.slice(0, 200)}`] : []
      } catch {
        return [] // It ended while we looked.
      }
    })
}

/** The cgroups of labs. Version 1 has a hierarchy a controller, version 2 one for all. */
function cgroups(): readonly string[] {
  const root = '/sys/fs/cgroup'
  const hierarchies = [root, ...folders(root)]
  return hierarchies
    .map(hierarchy => `${hierarchy}/podwire`)
    .filter(path => existsSync(path))
    .flatMap(folders)
}

const folders = (path: string): readonly string[] =>
  readdirSync(path, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => `${path}/${entry.name}`)

function output(argv: readonly [string, ...string[]]): string {
  const { status, stdout, stderr } = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
  return stdout
}
