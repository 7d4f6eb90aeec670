import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'

import { labPaths } from './lab-paths.js'
import { netnsSubstrate } from './netns-substrate.js'

/**
 * Removes a lab with all that bears its mark: processes, namespaces, cgroups, files. It asks the kernel and no state file, so it works
 * whatever has been killed before. True when there was something. Errors: TIMED_OUT with what would not go.
 */
export async function downLab(name: string, signal: AbortSignal): Promise<boolean> {
  const { dir } = labPaths(name)
  const hadHosts = await netnsSubstrate.destroy(name, signal)
  const hadFiles = existsSync(dir)
  await rm(dir, { recursive: true, force: true, maxRetries: 3 })
  return hadHosts || hadFiles
}
