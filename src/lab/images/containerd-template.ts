import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'

import type { Host } from '../../kernel/host.js'
import { type ContainerdPaths, imageStoreConfig, waitForContainerd } from '../containerd.js'
import { exists, removeStale, renameUnlessThere } from './cache-folder.js'
import type { ImageSet } from './ensure-images.js'
import { importArchive } from './import-image.js'

export interface TemplateOptions {
  /** This machine. */
  readonly host: Host
  /** Below it, one folder a template: `<cacheDir>/<digest>/`. */
  readonly cacheDir: string
}

/**
 * Returns the folder of a /var/lib/containerd that holds `images` unpacked; nodes start from a clone of it and need no import.
 * It is made once per image set, by a containerd of its own in a mount and a network namespace of its own.
 * Errors: COMMAND_MISSING, RUNTIME_FAILED, COMMAND_FAILED with ctr's own words.
 */
export async function ensureContainerdTemplate(
  images: ImageSet,
  { host, cacheDir }: TemplateOptions,
  signal: AbortSignal,
): Promise<string> {
  const folder = `${cacheDir}/${images.digest}`
  if (await exists(folder)) return folder

  const draft = `${cacheDir}/.draft-${process.pid}-${images.digest}`
  await mkdir(draft, { recursive: true })
  try {
    await fillTemplate(images, draft, host, signal)
    await renameUnlessThere(draft, folder)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  await removeStale(cacheDir, images.digest)
  return folder
}

async function fillTemplate(images: ImageSet, root: string, host: Host, signal: AbortSignal): Promise<void> {
  const work = await mkdtemp(`${tmpdir()}/podwire-images-`)
  const paths: ContainerdPaths = { root, state: `${work}/state`, socket: `${work}/containerd.sock` }
  const config = `${work}/config.toml`
  const log = `${work}/containerd.log`
  await writeFile(config, imageStoreConfig(paths))
  // The parent-death signal ends the daemon also when this process is killed.
  const own = ['setpriv', '--pdeathsig', 'KILL', 'unshare', '--mount', '--net', '--propagation', 'private']
  const daemon = host.start([...own, 'containerd', '--config', config], { logFile: log, signal })
  try {
    await waitForContainerd({ host, daemon, socket: paths.socket, log }, signal)
    await importArchive({ host, archive: images.archive, socket: paths.socket }, signal)
  } finally {
    await daemon.stop(10_000)
    await rm(work, { recursive: true, force: true })
    // The identity of one containerd; each clone makes its own.
    await rm(`${root}/io.containerd.grpc.v1.introspection`, { recursive: true, force: true })
  }
}

/**
 * Fills `destination` with a /var/lib/containerd of its own from a template, in milliseconds: unpacked files and blobs are hard links,
 * databases are copies. Containers never write through the links: their lower layers are read-only to overlayfs, which copies up.
 * `destination` must be on the template's file system, and empty if it exists.
 */
export async function cloneTemplate(template: string, destination: string, host: Host, signal: AbortSignal): Promise<void> {
  await mkdir(destination, { recursive: true, mode: 0o711 })
  await host.run(['cp', '--archive', '--link', `${template}/.`, destination], { signal })
  for (const folder of await readdir(template)) {
    for (const name of await readdir(`${template}/${folder}`)) {
      if (!name.endsWith('.db')) continue
      await rm(`${destination}/${folder}/${name}`)
      await copyFile(`${template}/${folder}/${name}`, `${destination}/${folder}/${name}`)
    }
  }
}
