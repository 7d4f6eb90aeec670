import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { isPodwireError } from '../base/errors/podwire-error.js'
import type { Host } from '../kernel/host.js'
import { cniError, cniErrorCodes } from './cni-error.js'
import { type CniResult, parseResult } from './cni-result.js'
import type { CniCall } from './request.js'

/** Long enough for a plugin that asks a server far away. */
const limitMs = 60_000

/**
 * Calls another plugin of the node, as the specification's section on delegation says: with our variables and our configuration,
 * `CNI_COMMAND` as given. Returns the result of ADD.
 *
 * Errors are the delegate's own, code and all; code 4 without CNI_PATH, 7 when no folder of it has the plugin.
 */
export async function callDelegate(
  run: Host['run'],
  { env, stdin }: CniCall,
  { type, command }: { type: string; command: string },
): Promise<CniResult> {
  const file = findPlugin(env.CNI_PATH, type)
  const variables = Object.fromEntries(Object.entries(env).filter(([name, value]) => name.startsWith('CNI_') && value !== undefined))
  const environment = { ...(variables as Record<string, string>), CNI_COMMAND: command }
  const { stdout, stderr, exitCode } = await run([file], { input: stdin, env: environment, allowFailure: true, timeoutMs: limitMs }).catch(
    (error: unknown) => {
      const code = isPodwireError(error, 'TIMED_OUT') ? cniErrorCodes.tryAgainLater : cniErrorCodes.inputOutput
      throw cniError(code, `${type} ${command}: ${(error as Error).message}`)
    },
  )
  const answer = parseAnswer(stdout)
  if (exitCode !== 0) {
    const { code, msg, details } = (answer ?? {}) as { code?: unknown; msg?: unknown; details?: unknown }
    const known = typeof code === 'number' && code > 0 ? code : cniErrorCodes.internal
    const words = typeof msg === 'string' ? msg : stderr.trim() || stdout.trim() || `it ended with status ${exitCode}`
    throw cniError(known, `${type} ${command}: ${words}`, typeof details === 'string' && details !== '' ? details : undefined)
  }
  return command === 'ADD' ? parseResult(answer, `the result of ${type}`) : parseResult({}, type)
}

function findPlugin(path: string | undefined, type: string): string {
  if (!path) throw cniError(cniErrorCodes.badEnvironment, `CNI_PATH is needed to find the plugin ${type}`)
  if (!/^[\w.-]+$/.test(type)) throw cniError(cniErrorCodes.badConfig, `${JSON.stringify(type)} is not the name of a plugin`)
  const file = path
    .split(':')
    .map(folder => join(folder, type))
    .find(candidate => existsSync(candidate))
  if (file === undefined) throw cniError(cniErrorCodes.badConfig, `there is no plugin ${type} in ${path}`)
  return file
}

function parseAnswer(stdout: string): unknown {
  if (stdout.trim() === '') return undefined
  try {
    return JSON.parse(stdout)
  } catch {
    return undefined
  }
}
