/** Options of a command that runs to its end. */
export interface RunOptions {
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  /** When true a non-zero exit is returned, not thrown. */
  readonly allowFailure?: boolean
  readonly signal?: AbortSignal
}

/** What a command left: text of both streams and its exit status. */
export interface RunResult {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

/** Options of a process that goes on. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  /** A file of the host that both output streams are appended to; without one they are readables of the process. */
  readonly logFile?: string
  /** True: the process has this process's own streams, as an interactive command needs them. */
  readonly inheritStreams?: boolean
  /** Open file descriptors of this process that the new one finds at 3, 4, … */
  readonly fds?: readonly number[]
  /** True: the process outlives this one (its host's PID 1 ends it), and waiting for its end does not keep this one alive. */
  readonly detached?: boolean
  readonly signal?: AbortSignal
}

/** A process that goes on until it ends or is stopped. */
export interface StartedProcess {
  readonly pid: number
  readonly stdin: NodeJS.WritableStream | undefined
  readonly stdout: NodeJS.ReadableStream | undefined
  readonly stderr: NodeJS.ReadableStream | undefined
  /** Resolves when the process has ended, with its exit status (128 + signal number when a signal ended it). */
  readonly ended: Promise<number>
  /** SIGTERM, then SIGKILL after `graceMs`; resolves when it has ended. */
  stop(graceMs?: number): Promise<void>
}

/**
 * A place with a network stack of its own, as lab, flow and bench see it: a namespace set on this kernel, or a VM.
 * Commands are argument vectors, never shell text. Errors: COMMAND_FAILED with the program's own words, COMMAND_MISSING, TIMED_OUT,
 * ABORTED; NOT_FOUND when the host or the namespace is gone.
 */
export interface Host {
  readonly name: string
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>
  start(argv: readonly string[], options?: StartOptions): StartedProcess
  /** The same host seen from another of its network namespaces, given by a path that is valid on the host. */
  enter(netnsPath: string): Host
}

/** A host on this kernel: also synchronous work in its network namespace is possible. */
export interface LocalHost extends Host {
  /** The PID 1 of the host as this process sees it. */
  readonly pid: number
  /** Runs `fn` synchronously with this thread in the host's network namespace. `fn` must not await. */
  netns<T>(fn: () => T): T
}
