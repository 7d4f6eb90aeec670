import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { type Pack, pack } from 'tar-stream'

import type { ImagePlan, LayerPlan } from './image-plan.js'
import { type Blob, writeLayer } from './layer-tar.js'

const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const

/** Node's names of architectures as OCI (Go) spells them. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386', ppc64: 'ppc64le' }

/**
 * Writes one OCI image layout archive with all `plans` to `file`; a layer that several images share is stored once.
 * Layers are uncompressed: the archive is read once, on the machine that wrote it. The bytes depend on the plans' contents only.
 * Source: OCI image specification 1.0, image layout; the annotation is what `ctr images import` names an image by.
 */
export async function writeOciArchive(plans: readonly ImagePlan[], file: string, signal: AbortSignal): Promise<void> {
  const scratch = `${file}.layers`
  await mkdir(scratch, { recursive: true })
  try {
    const blobs = new Map<string, { readonly size: number; readonly file?: string; readonly bytes?: Buffer }>()
    const written = new Map<LayerPlan, Blob>()
    for (const layer of new Set(plans.flatMap(plan => plan.layers))) {
      const layerFile = `${scratch}/${written.size}.tar`
      const blob = await writeLayer(layer, layerFile, signal)
      written.set(layer, blob)
      blobs.set(blob.digest, { size: blob.size, file: layerFile })
    }
    const store = (value: unknown): Blob => {
      const bytes = Buffer.from(JSON.stringify(value))
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
      blobs.set(digest, { size: bytes.length, bytes })
      return { digest, size: bytes.length }
    }
    const manifests = plans.map(plan => describeImage(plan, written, store))
    const tar = pack()
    const packed = (async () => {
      await addBytes(tar, 'oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }))
      await addBytes(tar, 'index.json', JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }))
      for (const [digest, blob] of [...blobs].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const name = `blobs/${digest.replace(':', '/')}`
        if (blob.bytes) await addBytes(tar, name, blob.bytes)
        else if (blob.file) await pipeline(createReadStream(blob.file), tar.entry({ ...plainFile(name), size: blob.size }), { signal })
      }
      tar.finalize()
    })()
    packed.catch(error => tar.destroy(error as Error))
    await Promise.all([pipeline(tar, createWriteStream(file), { signal }), packed])
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Stores an image's configuration and manifest and returns the entry of the index that leads to them. */
function describeImage(plan: ImagePlan, written: ReadonlyMap<LayerPlan, Blob>, store: (value: unknown) => Blob) {
  const layers = plan.layers.map(layer => written.get(layer)!)
  const architecture = architectures[process.arch] ?? process.arch
  const config = store({
    created: '1970-01-01T00:00:00Z',
    architecture,
    os: 'linux',
    config: plan.config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    history: plan.layers.map(({ name }) => ({ created: '1970-01-01T00:00:00Z', created_by: `podwire layer ${name}` })),
  })
  const manifest = store({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, ...config },
    layers: layers.map(layer => ({ mediaType: mediaTypes.layer, ...layer })),
  })
  return {
    mediaType: mediaTypes.manifest,
    ...manifest,
    platform: { architecture, os: 'linux' },
    annotations: { 'io.containerd.image.name': plan.name, 'org.opencontainers.image.ref.name': plan.name.split(':').at(-1) },
  }
}

const plainFile = (name: string) => ({ name, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0, uname: '', gname: '' })

function addBytes(tar: Pack, name: string, bytes: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    tar.entry(plainFile(name), bytes, error => (error ? reject(error) : resolve()))
  })
}
