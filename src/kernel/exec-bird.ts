import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

import { PodwireError } from '../base/errors/podwire-error.js'
import type { Bird, BirdSession } from './bird.js'
import type { Host } from './host.js'

/** Where a host's BIRD has what. */
export interface BirdFiles {
  /** Its configuration as the host sees it. */
  readonly config: string
  /** The same file as this process sees it. */
  readonly configHere: string
  readonly socket: string
}

/** BIRD by its own programs, executed by `run`: on a host, or in the namespaces of this process. */
export function execBird(run: Host['run'], { config, configHere, socket }: BirdFiles): Bird {
  const ask = (words: readonly string[], signal: AbortSignal) => run(['birdc', '-s', socket, ...words], { allowFailure: true, signal })
  const isRunning = async (signal: AbortSignal): Promise<boolean> => (await ask(['show', 'status'], signal)).exitCode === 0

  return {
    async ensure(text, signal) {
      const runs = await isRunning(signal)
      if (runs && readIfThere(configHere) === text) return
      mkdirSync(dirname(configHere), { recursive: true })
      writeFileSync(`${configHere}.new`, text)
      const { exitCode, stderr, stdout } = await run(['bird', '-p', '-c', `${config}.new`], { allowFailure: true, signal })
      if (exitCode !== 0) throw new PodwireError('CONFIG_INVALID', `BIRD refuses its configuration: ${(stderr || stdout).trim()}\n${text}`)
      renameSync(`${configHere}.new`, configHere)
      if (runs) {
        const { stdout: words } = await ask(['configure'], signal)
        if (!/Reconfigur/.test(words)) throw new PodwireError('COMMAND_FAILED', `BIRD did not reload its configuration: ${words.trim()}`)
        return
      }
      await run(['mkdir', '-p', dirname(socket)], { signal })
      await run(['bird', '-c', config, '-s', socket, '-P', `${socket}.pid`], { signal })
    },

    async stop(signal) {
      await ask(['down'], signal)
    },

    async sessions(signal) {
      const { stdout, exitCode } = await ask(['show', 'protocols'], signal)
      if (exitCode !== 0) return []
      return Promise.all(
        parseSessions(stdout).map(async session => {
          const { stdout: routes } = await ask(['show', 'route', 'primary', 'protocol', session.name], signal)
          return { ...session, routes: parseRoutes(routes) }
        }),
      )
    },
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** The BGP lines of `show protocols`: name, protocol, table, state, since, and BGP's own state last. */
function parseSessions(text: string): readonly Omit<BirdSession, 'routes'>[] {
  return text.split('\n').flatMap(line => {
    const [name, protocol, , state, , info] = line.trim().split(/\s+/)
    return name !== undefined && protocol === 'BGP' ? [{ name, state: info ?? state ?? '' }] : []
  })
}

/** The destinations of `show route`, each on a line that begins with it. */
const parseRoutes = (text: string): readonly string[] =>
  [...text.matchAll(/^([0-9a-f.:]+\/\d+)\s+unicast /gm)].map(([, destination]) => destination!).sort()
