import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'

import { PodwireError } from '../base/errors/podwire-error.js'
import { findMarked } from '../kernel/namespace-host.js'
import { findProcess, isRunning } from '../kernel/proc.js'
import { labPaths } from './lab-paths.js'

/** Who is bringing the lab up: a PID and its start name one process for ever. */
const Claim = z.object({ pid: z.int(), startTicks: z.int() })

/**
 * Makes the lab's folder and takes it for this process, so that two cannot bring the same lab up at once. A folder of a lab that ended
 * with the machine, or of an `up` that was killed, is made anew.
 * Errors: ALREADY_EXISTS when the lab is up or being brought up, and nothing is changed.
 */
export function claimLab(name: string): void {
  const { dir, claim } = labPaths(name)
  if (findMarked(name).length > 0) {
    throw new PodwireError('ALREADY_EXISTS', `a lab named ${name} is up`, {
      hint: `Take it down with: ./podwire down --name ${name}; or choose another name with --name`,
    })
  }
  mkdirSync(dirname(dir), { recursive: true })
  if (!tryToMake(dir)) {
    const holder = readClaim(claim)
    if (holder && isRunning(holder)) {
      throw new PodwireError('ALREADY_EXISTS', `a lab named ${name} is being brought up by process ${holder.pid}`, {
        hint: 'Wait for it, or choose another name with --name',
      })
    }
    rmSync(dir, { recursive: true, force: true })
    if (!tryToMake(dir)) throw new PodwireError('ALREADY_EXISTS', `a lab named ${name} is being brought up by another process`)
  }
  const { pid, startTicks } = findProcess(process.pid)!
  writeFileSync(claim, JSON.stringify({ pid, startTicks }))
}

/** Making a folder is atomic: of two that try, one does it. */
function tryToMake(dir: string): boolean {
  try {
    mkdirSync(dir, { mode: 0o711 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function readClaim(file: string): z.infer<typeof Claim> | undefined {
  try {
    return Claim.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return undefined // An `up` that was killed before it could write all of it.
  }
}
