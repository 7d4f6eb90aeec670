import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { execa, type Options } from 'execa'

import { PodwireError } from '../base/errors/podwire-error.js'
import type { RunOptions, RunResult, StartedProcess, StartOptions } from './host.js'

/** A program to execute, and the words by which errors speak of it. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
  /** What the program sees as its own name, when that is not `file`. */
  readonly argv0?: string
  /** What the caller asked for. */
  readonly asked: readonly string[]
  /** True: `file` is bin/host-enter, which runs `asked` elsewhere. */
  readonly isEntered: boolean
  /** Where it runs, for messages: ` on node-1`, or nothing. */
  readonly where: string
}

const killAfterMs = 2_000
const outputLimit = 256 * 1024 * 1024

/** The command of a program that runs as it is, here. */
export function plainCommand(argv: readonly string[]): Command {
  const [file, ...args] = argv
  if (file === undefined) throw new PodwireError('INTERNAL', 'a command needs at least the name of a program')
  return { file, args, asked: argv, isEntered: false, where: '' }
}

/**
 * Runs a command to its end.
 * Errors: COMMAND_MISSING, COMMAND_FAILED with the program's own words, TIMED_OUT, ABORTED; NOT_FOUND when its host is gone.
 */
export async function runCommand(command: Command, options: RunOptions = {}): Promise<RunResult> {
  const result = await execa(command.file, command.args, {
    reject: false,
    stripFinalNewline: false,
    maxBuffer: outputLimit,
    forceKillAfterDelay: killAfterMs,
    ...(command.argv0 !== undefined && { argv0: command.argv0 }),
    ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
    ...(options.env && { env: options.env }),
    ...(options.timeoutMs && { timeout: options.timeoutMs }),
    ...(options.signal && { cancelSignal: options.signal }),
  } satisfies Options)
  const shown = describe(command)
  if (result.isCanceled) throw new PodwireError('ABORTED', `${shown} was stopped`, { cause: options.signal?.reason })
  if (result.timedOut) throw new PodwireError('TIMED_OUT', `${shown} did not end within ${options.timeoutMs} ms`)
  if (result.code === 'ENOENT') throw missing(command)
  const { stdout, stderr } = result
  const exitCode = result.exitCode ?? (result.signal ? 128 + constants.signals[result.signal] : undefined)
  if (exitCode === undefined || result.isMaxBuffer) {
    throw new PodwireError('COMMAND_FAILED', `${shown}: ${result.originalMessage ?? 'it did not start'}`, { cause: result.cause })
  }
  throwIfNotEntered(command, exitCode, stderr)
  if (exitCode !== 0 && !options.allowFailure) {
    const words = (stderr.trim() || stdout.trim()).slice(-4_000)
    throw new PodwireError('COMMAND_FAILED', `${shown} ended with status ${exitCode}${words && `: ${words}`}`)
  }
  return { stdout, stderr, exitCode }
}

/** `host-enter` says with these statuses, and a line of its own, that the program itself never ran (see bin/host-enter.c). */
function throwIfNotEntered(command: Command, exitCode: number, stderr: string): void {
  if (!command.isEntered || !stderr.startsWith('host-enter: ')) return
  const reason = stderr.slice('host-enter: '.length).trim()
  if (exitCode === 127) throw missing(command)
  if (exitCode === 126) throw new PodwireError('COMMAND_FAILED', `${describe(command)}: ${reason}`)
  if (exitCode === 125) throw new PodwireError('NOT_FOUND', `${describe(command)}: ${reason}`)
}

function missing(command: Command): PodwireError {
  return new PodwireError('COMMAND_MISSING', `${command.asked[0]} is not installed${command.where}`, { hint: './podwire doctor' })
}

/** The command as a person would write it, at most a line long. */
function describe({ asked, where }: Command): string {
  const words = asked.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`)).join(' ')
  return `${words.length > 160 ? `${words.slice(0, 157)}...` : words}${where}`
}

export interface StartContext extends StartOptions {
  /** The wrapper writes the log: the streams are not readable here. */
  readonly isLoggedByWrapper?: boolean
}

/**
 * Starts a command that goes on. It ends when its signal aborts.
 * Errors: ABORTED when the signal has fired already. A program that is missing ends at once with status 127 (see bin/host-enter.c).
 */
export function startCommand(command: Command, options: StartContext = {}): StartedProcess {
  const { signal } = options
  if (signal?.aborted) throw new PodwireError('ABORTED', `${describe(command)} was not started`, { cause: signal.reason })
  // Not execa: its types know no list of descriptors, and nothing else of it would be used.
  const child = spawn(command.file, command.args, {
    stdio: [...standardStreams(options), ...(options.fds ?? [])],
    ...(options.env && { env: { ...process.env, ...options.env } }),
  })
  child.once('error', () => {}) // Without a PID the error is thrown below.
  const { pid } = child
  if (pid === undefined) throw missing(command)
  if (options.detached) child.unref()

  const ended = new Promise<number>(resolve => {
    child.once('exit', (code, killer) => {
      signal?.removeEventListener('abort', onAbort)
      resolve(code ?? 128 + constants.signals[killer!])
    })
  })
  const stop = async (graceMs = killAfterMs) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.ref()
    child.kill('SIGTERM')
    // Killed itself, the wrapper of a detached program would leave it running; it knows what SIGALRM means.
    const kill = setTimeout(() => child.kill(command.isEntered ? 'SIGALRM' : 'SIGKILL'), graceMs)
    await ended
    clearTimeout(kill)
  }
  const onAbort = () => void stop()
  signal?.addEventListener('abort', onAbort, { once: true })
  const { stdin, stdout, stderr } = child
  return { pid, stdin: stdin ?? undefined, stdout: stdout ?? undefined, stderr: stderr ?? undefined, ended, stop }
}

/** A detached process must not hold our pipes, nor depend on them. */
function standardStreams({ inheritStreams, isLoggedByWrapper, detached }: StartContext): ('inherit' | 'ignore' | 'pipe')[] {
  if (inheritStreams) return ['inherit', 'inherit', 'inherit']
  const each = isLoggedByWrapper || detached ? 'ignore' : 'pipe'
  return [each, each, each]
}
