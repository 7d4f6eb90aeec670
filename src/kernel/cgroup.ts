import { existsSync, readdirSync, rmdirSync, statfsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

import { PodwireError } from '../base/errors/podwire-error.js'

const mountPoint = '/sys/fs/cgroup'

/** What statfs(2) says of a cgroup file system: CGROUP_SUPER_MAGIC and CGROUP2_SUPER_MAGIC of linux/magic.h. */
const cgroupTypes: readonly number[] = [0x27e0eb, 0x63677270]

/**
 * Every hierarchy's folder for the cgroup `path` (`/podwire/shop`) that exists: each v1 controller has its own, v2 has one.
 * Plain folders beside the hierarchies, as crun leaves them where a cgroup2 is hidden, are no cgroups.
 */
export function cgroupFolders(path: string): readonly string[] {
  if (!existsSync(mountPoint)) return []
  const roots = [mountPoint, ...foldersIn(mountPoint).map(name => `${mountPoint}/${name}`)]
  return roots.map(root => `${root}${path}`).filter(folder => existsSync(folder) && cgroupTypes.includes(statfsSync(folder).type))
}

/**
 * Removes a cgroup and all below it, in every hierarchy; true when there was one. Its processes must have been killed: the kernel
 * lets a cgroup go a moment after the last of them, and this waits for that.
 * Errors: TIMED_OUT naming the cgroup that is still busy; ABORTED.
 */
export async function removeCgroup(path: string, signal: AbortSignal): Promise<boolean> {
  const folders = cgroupFolders(path)
  const deadline = Date.now() + 5_000
  for (const folder of folders) {
    for (let busy = removeTree(folder); busy !== undefined; busy = removeTree(folder)) {
      if (Date.now() > deadline) throw new PodwireError('TIMED_OUT', `cgroup ${busy} still has processes`)
      if (signal.aborted) throw new PodwireError('ABORTED', `cgroup ${busy} was not removed`, { cause: signal.reason })
      await delay(5)
    }
  }
  return folders.length > 0
}

/** Removes the cgroup `path` where it is empty; where it is not, others use it. */
export function removeEmptyCgroup(path: string): void {
  for (const folder of cgroupFolders(path)) tryToRemove(folder)
}

/** Depth first; returns the first folder that is busy. The files in it are the kernel's and go with it. */
function removeTree(folder: string): string | undefined {
  for (const name of foldersIn(folder)) {
    const busy = removeTree(`${folder}/${name}`)
    if (busy !== undefined) return busy
  }
  return tryToRemove(folder) ? undefined : folder
}

function tryToRemove(folder: string): boolean {
  try {
    rmdirSync(folder)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return true
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false
    throw error
  }
}

function foldersIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? [entry.name] : []))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
