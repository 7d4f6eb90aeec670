import { readdirSync, readFileSync } from 'node:fs'

/** A process as /proc shows it to us. */
export interface ProcessInfo {
  readonly pid: number
  readonly argv: readonly string[]
  /** Clock ticks after boot; with the PID it names one process for ever. */
  readonly startTicks: number
  /** Its PID in each PID namespace from ours to its own; the last one is 1 for the first process of a namespace. */
  readonly pidInNamespaces: readonly number[]
}

/** All living processes that `isWanted` accepts by their command line. Processes that end meanwhile are left out, zombies too. */
export function listProcesses(isWanted: (argv: readonly string[]) => boolean = () => true): readonly ProcessInfo[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => readProcess(Number(name), isWanted) ?? [])
}

/** The process of this PID; undefined when there is none, or only a zombie. */
export const findProcess = (pid: number): ProcessInfo | undefined => readProcess(pid, () => true)

/** True while this very process runs: not ended, not a zombie, its PID not given to another one. */
export function isRunning(process: Pick<ProcessInfo, 'pid' | 'startTicks'>): boolean {
  const stat = readStat(process.pid)
  return stat !== undefined && stat.startTicks === process.startTicks && stat.state !== 'Z' && stat.state !== 'X'
}

function readProcess(pid: number, isWanted: (argv: readonly string[]) => boolean): ProcessInfo | undefined {
  const line = read(`/proc/${pid}/cmdline`)
  if (!line) return undefined // Kernel threads and zombies have none.
  const argv = line.replace(/\0$/, '').split('\0')
  if (!isWanted(argv)) return undefined
  const stat = readStat(pid)
  const status = read(`/proc/${pid}/status`)
  if (!stat || !status || stat.state === 'Z' || stat.state === 'X') return undefined
  const nested = /^NSpid:\s*(.*)$/m.exec(status)?.[1] ?? String(pid)
  return { pid, argv, startTicks: stat.startTicks, pidInNamespaces: nested.split(/\s+/).map(Number) }
}

/** The fields of proc_pid_stat(5) after the name, which is in parentheses and may hold anything. */
function readStat(pid: number): { readonly state: string; readonly startTicks: number } | undefined {
  const text = read(`/proc/${pid}/stat`)
  if (!text) return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0]!, startTicks: Number(fields[19]) }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
