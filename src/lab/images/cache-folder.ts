import { access, readdir, rename, rm, stat } from 'node:fs/promises'

/** Two builders may race for one digest; what they built is the same, so the first one wins. */
export async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** Removes other sets that were made more than a day ago: a newer one may belong to another checkout that is in use. */
export async function removeStale(cacheDir: string, keep: string): Promise<void> {
  const dayMs = 24 * 60 * 60 * 1000
  for (const name of await readdir(cacheDir)) {
    const path = `${cacheDir}/${name}`
    if (name !== keep && Date.now() - (await stat(path)).mtimeMs > dayMs) await rm(path, { recursive: true, force: true })
  }
}

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
