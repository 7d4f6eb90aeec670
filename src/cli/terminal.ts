/** What a command may ask of the place it runs in; tests hand over another one. */
export interface Terminal {
  /** The result of the command. */
  out(text: string): void
  /** Progress, warnings and errors. */
  note(text: string): void
  readonly isInteractive: boolean
  /** Columns of the terminal; undefined when the output is a file or a pipe. */
  readonly columns: number | undefined
  /** Colour may be used on stdout. */
  readonly hasColor: boolean
  readonly isRoot: boolean
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The terminal of this process. Colour follows NO_COLOR and TERM=dumb. */
export function processTerminal(): Terminal {
  const { env, stdout, stderr } = process
  // A reader that has left, as `head` does, must not keep a command from putting away what it made.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  return {
    out: text => void stdout.write(text),
    note: text => void stderr.write(text),
    isInteractive: stderr.isTTY === true && env.TERM !== 'dumb' && env.CI === undefined,
    columns: stdout.isTTY ? stdout.columns : undefined,
    hasColor: stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
    isRoot: process.getuid?.() === 0,
    env,
  }
}
