import { randomUUID } from 'node:crypto'
import { chmod, copyFile, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import type { Cidr } from '../base/net/address.js'
import type { PodNetConf } from './net-conf.js'

/** Names under which runtimes call the plugin: ours, and the one containerd brings every Pod's `lo` up with. */
export const pluginNames = ['podwire', 'loopback'] as const

export interface CniFiles {
  readonly confDir: string
  readonly binDir: string
  /** The static forwarder; undefined when it could not be built: then the plugin itself stands in its place. */
  readonly forwarder: string | undefined
  /** The bundled plugin, run by `node`. */
  readonly plugin: string
  readonly node: string
}

/** What the configuration says besides names and versions. */
export interface NetworkSettings extends Pick<PodNetConf, 'datapath' | 'bridge' | 'mtu' | 'stateDir'> {
  readonly ranges: readonly Cidr[]
}

/** The network configuration list for runtimes. They take the first file of the directory in alphabetical order. */
export function buildConflist(settings: NetworkSettings): Readonly<Record<string, unknown>> {
  return {
    // Runtimes that know `cniVersions` choose the newest they speak; others go by `cniVersion`.
    cniVersion: '1.0.0',
    cniVersions: ['0.4.0', '1.0.0', '1.1.0'],
    name: 'podwire',
    plugins: [{ type: 'podwire', ...settings }],
  }
}

export const conflistName = '10-podwire.conflist'

/**
 * Puts the plugin's programs and then the configuration in place, each file whole or not at all. The configuration comes last: as soon as a
 * runtime sees it, it calls the programs.
 */
export async function installCni(files: CniFiles, settings: NetworkSettings): Promise<void> {
  await mkdir(files.binDir, { recursive: true })
  await mkdir(files.confDir, { recursive: true })
  await writeScript(join(files.binDir, 'podwire-cni'), files)
  for (const name of pluginNames) {
    const path = join(files.binDir, name)
    if (files.forwarder === undefined) await writeScript(path, files)
    else await replaceFile(path, temporary => copyFile(files.forwarder ?? '', temporary), 0o755)
  }
  const conflist = `${JSON.stringify(buildConflist(settings), null, 2)}\n`
  const path = join(files.confDir, conflistName)
  // The runtime reads the directory anew after every change.
  if ((await readFile(path, 'utf8').catch(() => '')) === conflist) return
  await replaceFile(path, temporary => writeWhole(temporary, conflist), 0o644)
}

/** Takes the configuration away, so that the runtime reports the network as not ready. */
export const uninstallConflist = (confDir: string): Promise<void> => rm(join(confDir, conflistName), { force: true })

const writeScript = (path: string, { node, plugin }: CniFiles): Promise<void> =>
  replaceFile(path, temporary => writeWhole(temporary, `#!/bin/sh\nexec ${shellQuote(node)} ${shellQuote(plugin)}\n`), 0o755)

/** Writes a file beside `path` and puts it in its place. The name has no extension that runtimes look for. */
async function replaceFile(path: string, write: (temporary: string) => Promise<void>, mode: number): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`)
  try {
    await write(temporary)
    await chmod(temporary, mode)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  const handle = await open(path, 'w')
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const shellQuote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
