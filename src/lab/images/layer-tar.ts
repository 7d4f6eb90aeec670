import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path/posix'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Header, type Pack, pack } from 'tar-stream'

import type { LayerEntry, LayerPlan } from './image-plan.js'

/** A blob as OCI descriptors name it. */
export interface Blob {
  /** `sha256:<hex>`. */
  readonly digest: string
  readonly size: number
}

/**
 * Writes a layer as an uncompressed tar to `file` and returns its descriptor, which then is its diff ID too.
 * The bytes depend only on the plan and the contents of the copied files: entries are sorted, times are 0, the owner is root.
 */
export async function writeLayer(layer: LayerPlan, file: string, signal: AbortSignal): Promise<Blob> {
  const tar = pack()
  const hash = createHash('sha256')
  let size = 0
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      size += chunk.length
      done(null, chunk)
    },
  })
  const written = pipeline(tar, measure, createWriteStream(file), { signal })
  const packed = (async () => {
    for (const entry of withParents(layer.entries)) await addEntry(tar, entry, signal)
    tar.finalize()
  })()
  packed.catch(error => tar.destroy(error as Error))
  await Promise.all([written, packed])
  return { digest: `sha256:${hash.digest('hex')}`, size }
}

/** Sorted by path, with every missing parent directory, so that unpackers never have to invent one. */
export function withParents(entries: readonly LayerEntry[]): readonly LayerEntry[] {
  const byPath = new Map(entries.map(entry => [entry.path, entry]))
  for (const { path } of entries) {
    for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) {
      if (!byPath.has(parent)) byPath.set(parent, { type: 'directory', path: parent, mode: 0o755 })
    }
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function addEntry(tar: Pack, entry: LayerEntry, signal: AbortSignal): Promise<void> {
  const common = { name: entry.path, mtime: new Date(0), uid: 0, gid: 0, uname: '', gname: '' }
  switch (entry.type) {
    case 'directory':
      return addWhole(tar, { ...common, type: 'directory', mode: entry.mode })
    case 'symlink':
      return addWhole(tar, { ...common, type: 'symlink', mode: 0o777, linkname: entry.target })
    case 'text':
      return addWhole(tar, { ...common, type: 'file', mode: entry.mode }, entry.text)
    case 'copy': {
      const { size } = await stat(entry.from)
      const sink = tar.entry({ ...common, type: 'file', mode: entry.mode, size })
      return pipeline(createReadStream(entry.from), sink, { signal })
    }
  }
}

function addWhole(tar: Pack, header: Partial<Header> & { readonly name: string }, text = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    tar.entry(header, text, error => (error ? reject(error) : resolve()))
  })
}

/** What tells whether a file of this machine is still the one it was, without reading it: real path, size, time of change. */
export async function fileIdentity(path: string): Promise<string> {
  const real = await realpath(path)
  const { size, mtimeMs } = await stat(real)
  return `${real} ${size} ${mtimeMs}`
}
