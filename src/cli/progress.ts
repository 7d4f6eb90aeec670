import { Listr, ListrLogger, ProcessOutput } from 'listr2'
import type { Terminal } from './terminal.js'

/** Says what a long command is doing, on stderr. */
export interface Progress {
  /** Runs `work` under a title; `detail` tells what it is at now. The title gets a tick and the time when it is done. */
  phase<T>(title: string, work: (detail: (text: string) => void) => Promise<T>): Promise<T>
}

/** A spinner on a terminal, a line for each event elsewhere. */
export const createProgress = (terminal: Terminal): Progress =>
  terminal.isInteractive ? spinnerProgress() : lineProgress(text => terminal.note(text))

/** Plain lines, as for logs and pipes. */
export function lineProgress(write: (text: string) => void): Progress {
  return {
    async phase(title, work) {
      const start = performance.now()
      write(`${title}\n`)
      const result = await work(text => write(`  ${text}\n`))
      write(`${title}: done in ${seconds(start)}\n`)
      return result
    },
  }
}

/** Nothing at all: for `-o json`. */
export const silentProgress: Progress = { phase: (_title, work) => work(() => {}) }

function spinnerProgress(): Progress {
  return {
    async phase<T>(title: string, work: (detail: (text: string) => void) => Promise<T>): Promise<T> {
      const start = performance.now()
      const done: { result?: T } = {}
      const list = new Listr(
        [
          {
            title,
            task: async (_context, task) => {
              done.result = await work(text => {
                task.output = text
              })
              task.title = `${title} (${seconds(start)})`
            },
          },
        ],
        {
          // Ctrl-C is ours: the command takes away what it made.
          registerSignalListeners: false,
          rendererOptions: {
            collapseErrors: false,
            showErrorMessage: false,
            logger: new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr) }),
          },
        },
      )
      await list.run()
      return done.result as T
    },
  }
}

const seconds = (start: number): string => `${((performance.now() - start) / 1000).toFixed(1)} s`
