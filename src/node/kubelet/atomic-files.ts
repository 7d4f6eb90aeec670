import { chmod, chown, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface FileContent {
  readonly bytes: Buffer
  readonly mode: number
}

/** By path below the volume: `ca.crt`, `nested/name`. */
export type FileTree = ReadonlyMap<string, FileContent>

const current = '..data'

/**
 * Makes `dir` show exactly `files`, all changed at once: they live in a folder of their own behind the link `..data`, which is swapped.
 * Containers that hold a file open keep the old one. Nothing is touched when nothing has changed. `group`, when given, owns the files.
 * Source: the layout is the one of upstream's kubelet, which programs watch for (`..data`).
 */
export async function writeFileTree(dir: string, files: FileTree, group: number | undefined): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o755 })
  if (await isUnchanged(`${dir}/${current}`, files)) return

  const fresh = await mkdtemp(`${dir}/..`)
  await chmod(fresh, 0o755)
  for (const [path, { bytes, mode }] of files) {
    const file = `${fresh}/${path}`
    await mkdir(dirname(file), { recursive: true, mode: 0o755 })
    await writeFile(file, bytes)
    await chmod(file, group === undefined ? mode : mode | 0o040)
    if (group !== undefined) await chown(file, -1, group)
  }
  const old = await readlink(`${dir}/${current}`).catch(() => undefined)
  await symlink(fresh.slice(dir.length + 1), `${dir}/..data_tmp`)
  await rename(`${dir}/..data_tmp`, `${dir}/${current}`)

  const names = new Set([...files.keys()].map(path => path.split('/')[0]!))
  const shown = (await readdir(dir)).filter(name => !name.startsWith('..'))
  for (const name of shown) if (!names.has(name)) await unlink(`${dir}/${name}`)
  for (const name of names) if (!shown.includes(name)) await symlink(`${current}/${name}`, `${dir}/${name}`)
  if (old !== undefined) await rm(`${dir}/${old}`, { recursive: true, force: true })
}

async function isUnchanged(folder: string, files: FileTree): Promise<boolean> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    if (entries.filter(entry => entry.isFile()).length !== files.size) return false
    for (const [path, { bytes, mode }] of files) {
      const file = `${folder}/${path}`
      if (!(await readFile(file)).equals(bytes) || ((await stat(file)).mode & 0o737) !== (mode & 0o737)) return false
    }
    return true
  } catch {
    return false // Not there yet, or of another shape.
  }
}
