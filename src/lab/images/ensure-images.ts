import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, stat } from 'node:fs/promises'

import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Host } from '../../kernel/host.js'
import { exists, removeStale, renameUnlessThere } from './cache-folder.js'
import { type ImagePlan, type LayerEntry, planImages } from './image-plan.js'
import { fileIdentity } from './layer-tar.js'
import { writeOciArchive } from './oci-archive.js'

/** Our own images, ready to be imported. */
export interface ImageSet {
  /** Changes when anything that goes into the images changes. */
  readonly digest: string
  /** An OCI archive that holds all of them. */
  readonly archive: string
  readonly names: readonly string[]
}

export interface ImageOptions {
  /** This machine: its programs are asked what they need. */
  readonly host: Host
  /** Where the built programs are (`dist/`). */
  readonly distDir: string
  /** Below it, one folder a set: `<cacheDir>/<digest>/`. */
  readonly cacheDir: string
}

/**
 * Builds the images from files of this machine unless the cache holds them already; an unchanged set costs a few file stats.
 * Errors: NOT_FOUND when a program that goes into them has not been built or installed.
 */
export async function ensureImages({ host, distDir, cacheDir }: ImageOptions, signal: AbortSignal): Promise<ImageSet> {
  const plans = planImages({ ...(await findParts(host, signal)), distDir })
  const digest = await digestOf(plans)
  const folder = `${cacheDir}/${digest}`
  const set: ImageSet = { digest, archive: `${folder}/images.tar`, names: plans.map(({ name }) => name) }
  if (await exists(set.archive)) return set

  const draft = `${cacheDir}/.draft-${process.pid}-${digest}`
  await mkdir(draft, { recursive: true })
  try {
    await writeOciArchive(plans, `${draft}/images.tar`, signal)
    await renameUnlessThere(draft, folder)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  await removeStale(cacheDir, digest)
  return set
}

async function findParts(host: Host, signal: AbortSignal) {
  const busybox = '/bin/busybox'
  if (!(await exists(busybox))) {
    throw new PodwireError('COMMAND_MISSING', 'busybox is not installed; it goes into the toolbox image', {
      hint: 'apt-get install --yes busybox-static',
    })
  }
  const [linked, applets] = await Promise.all([
    host.run(['ldd', process.execPath], { signal, allowFailure: true }),
    host.run([busybox, '--list-full'], { signal }),
  ])
  return { node: process.execPath, libraries: parseLdd(linked.stdout), busybox, applets: applets.stdout.split('\n').filter(Boolean) }
}

/**
 * The files that `ldd` names, by the paths at which the loader finds them; the vDSO has none.
 * A static program has none at all ("not a dynamic executable").
 */
export function parseLdd(text: string): readonly string[] {
  return [...text.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm)].map(([, path]) => path!)
}

/** Built programs count by content, files of the system by identity: hashing Node's 100 MB at every start would take longer than the start. */
async function digestOf(plans: readonly ImagePlan[]): Promise<string> {
  const entries = plans.flatMap(plan => plan.layers.flatMap(layer => layer.entries))
  const copied = new Set(entries.flatMap(entry => (entry.type === 'copy' ? [entry.from] : [])))
  const identities = await Promise.all([...copied].map(async path => [path, await identify(path)] as const))
  const identityOf = new Map(identities)
  const describe = (entry: LayerEntry) => (entry.type === 'copy' ? { ...entry, from: identityOf.get(entry.from) } : entry)
  const described = plans.map(plan => ({ ...plan, layers: plan.layers.map(layer => layer.entries.map(describe)) }))
  return createHash('sha256').update(JSON.stringify(described)).digest('hex').slice(0, 32)
}

async function identify(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > 8 * 1024 * 1024) return await fileIdentity(path)
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
  } catch (cause) {
    throw new PodwireError('NOT_FOUND', `${path} is missing; it goes into the images`, { hint: 'Run: npm run build', cause })
  }
}
