import { importImage } from '../lab/images/import-image.js'
import type { Lab } from '../lab/lab.js'

/** Puts the images of an archive on every node of a lab and returns their names. Errors: NOT_FOUND without the file, RUNTIME_FAILED. */
export async function loadImage(lab: Lab, tarFile: string, signal: AbortSignal): Promise<readonly string[]> {
  const nodes = lab.hosts.filter(({ role }) => role === 'node')
  const names = await Promise.all(nodes.map(({ host }) => importImage(host, tarFile, signal)))
  return [...new Set(names.flat())]
}
