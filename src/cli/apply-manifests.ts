import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PodwireError } from '../base/errors/podwire-error.js'
import { applyObjects } from '../client/apply.js'
import type { Client } from '../client/client.js'
import { parseManifests } from '../client/manifests.js'

/** Applies every object of the manifests; a folder's files go in the order of their names. Errors: NOT_FOUND, CONFIG_INVALID, those of the API. */
export async function applyManifests(client: Client, paths: readonly string[], signal: AbortSignal): Promise<void> {
  const files = (await Promise.all(paths.map(manifestFiles))).flat()
  const texts = await Promise.all(files.map(async file => parseManifests(await readFile(file, 'utf8'), file)))
  await applyObjects(client, texts.flat(), signal)
}

async function manifestFiles(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch(() => undefined)
  if (!found) throw new PodwireError('NOT_FOUND', `There is no ${path}.`)
  if (!found.isDirectory()) return [path]
  const names = await readdir(path)
  return names
    .filter(name => /\.(ya?ml|json)$/.test(name))
    .sort()
    .map(name => join(path, name))
}
