/** A command that somebody at the page had run. */
export interface RunCommand {
  readonly id: number
  readonly argv: readonly string[]
  readonly state: 'running' | 'done' | 'failed'
  /** What it has written until now, its last lines. */
  readonly output: string
  stop(): void
}

/** Runs a command; what it writes goes to `onOutput`. Resolves with its exit status. */
export type RunsCommand = (argv: readonly string[], onOutput: (text: string) => void, signal: AbortSignal) => Promise<number>

const keptCommands = 20
const keptCharacters = 4_000

/** The commands of this session, newest first. */
export class CommandLog {
  #commands: RunCommand[] = []
  #next = 1
  readonly #run: RunsCommand
  readonly #onChange: () => void
  readonly #signal: AbortSignal

  constructor(run: RunsCommand, onChange: () => void, signal: AbortSignal) {
    this.#run = run
    this.#onChange = onChange
    this.#signal = signal
  }

  get commands(): readonly RunCommand[] {
    return this.#commands
  }

  /** Runs a command to its end; what goes wrong is its output. Resolves with what it wrote. */
  async start(argv: readonly string[]): Promise<{ readonly status: number; readonly text: string }> {
    const id = this.#next++
    const controller = new AbortController()
    let text = ''
    const change = (changes: Partial<RunCommand>): void => {
      this.#commands = this.#commands.map(each => (each.id === id ? { ...each, ...changes } : each))
      this.#onChange()
    }
    const first: RunCommand = { id, argv, state: 'running', output: '', stop: () => controller.abort() }
    this.#commands = [first, ...this.#commands].slice(0, keptCommands)
    this.#onChange()
    const write = (piece: string): void => {
      text += piece
      change({ output: text.slice(-keptCharacters) })
    }
    try {
      const status = await this.#run(argv, write, AbortSignal.any([this.#signal, controller.signal]))
      change({ state: status === 0 ? 'done' : 'failed' })
      return { status, text }
    } catch (error) {
      write(controller.signal.aborted ? '\nstopped' : `\n${error instanceof Error ? error.message : String(error)}`)
      change({ state: 'failed' })
      return { status: 1, text }
    }
  }

  stop(id: number): void {
    this.#commands.find(each => each.id === id)?.stop()
  }
}
