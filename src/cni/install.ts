import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, readlink, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import type { Cidr } from '../base/net/address.js'
import { type ChainedPlugin, commonVersions } from './chained-plugins.js'
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
  /** What runs behind ours for every Pod, in this order. */
  readonly chained: readonly ChainedPlugin[]
}

/** What the configuration says besides names and versions. */
export interface NetworkSettings extends Pick<PodNetConf, 'datapath' | 'bridge' | 'mtu' | 'stateDir'> {
  readonly ranges: readonly Cidr[]
}

/** The network configuration list for runtimes. They take the first file of the directory in alphabetical order. */
export function buildConflist(settings: NetworkSettings, chained: readonly ChainedPlugin[]): Readonly<Record<string, unknown>> {
  const common = commonVersions(chained)
  return {
    // Runtimes that know `cniVersions` choose the newest they speak; others go by `cniVersion`.
    cniVersion: '1.0.0',
    cniVersions: ['0.4.0', '1.0.0', '1.1.0'].filter(version => common.includes(version)),
    name: 'podwire',
    plugins: [{ type: 'podwire', ...settings }, ...chained.map(({ conf }) => conf)],
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
  const script = Buffer.from(`#!/bin/sh\nexec ${shellQuote(files.node)} ${shellQuote(files.plugin)}\n`)
  const forwarder = files.forwarder === undefined ? script : await readFile(files.forwarder)
  await ensureFile(join(files.binDir, 'podwire-cni'), script, 0o755)
  for (const name of pluginNames) await ensureFile(join(files.binDir, name), forwarder, 0o755)
  for (const { conf, file } of files.chained) await ensureSymlink(join(files.binDir, conf.type), file)
  const conflist = Buffer.from(`${JSON.stringify(buildConflist(settings, files.chained), null, 2)}\n`)
  await ensureFile(join(files.confDir, conflistName), conflist, 0o644)
}

/** As with files: the name leads nowhere at no time. */
async function ensureSymlink(path: string, target: string): Promise<void> {
  if ((await readlink(path).catch(() => undefined)) === target) return
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`)
  await symlink(target, temporary)
  await rename(temporary, path)
}

/** Writes a file beside `path` and puts it in its place; one that is right is left alone, since runtimes watch the directories. */
async function ensureFile(path: string, content: Buffer, mode: number): Promise<void> {
  const present = await readFile(path).catch(() => undefined)
  if (present?.equals(content)) return
  // The name has no extension that runtimes look for.
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`)
  try {
    const handle = await open(temporary, 'w', mode)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

const shellQuote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
