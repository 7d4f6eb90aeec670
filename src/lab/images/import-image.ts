import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

import { PodwireError } from '../../base/errors/podwire-error.js'
import type { Host } from '../../kernel/host.js'
import { containerdNodePaths } from '../containerd.js'

/** The containerd namespace whose images Pods run. */
const kubernetesNamespace = 'k8s.io'

/**
 * Loads the images of a tar file of this machine into a node's containerd and returns their full names.
 * Takes OCI image layouts and what `docker save` writes. The bytes travel over the command's standard input, so the file
 * need not be visible on the host.
 * Errors: NOT_FOUND for a missing file, RUNTIME_FAILED with containerd's own words for one that holds no image.
 */
export async function importImage(host: Host, tarFile: string, signal: AbortSignal): Promise<readonly string[]> {
  const ctr = host.start([...importArgv(containerdNodePaths.socket), '-'], { signal })
  if (!ctr.stdin || !ctr.stdout || !ctr.stderr) throw new PodwireError('INTERNAL', 'ctr was started without pipes')
  const output = Promise.all([textOf(ctr.stdout), textOf(ctr.stderr)])
  const sent = pipeline(createReadStream(tarFile), ctr.stdin).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error,
  )
  const sendError = await sent
  if (sendError?.code === 'ENOENT') {
    await ctr.stop()
    throw new PodwireError('NOT_FOUND', `${tarFile} does not exist`, { cause: sendError })
  }
  const status = await ctr.ended
  const [stdout, stderr] = await output
  // A broken pipe only says that ctr gave up; its own words say why.
  if (status !== 0) throw new PodwireError('RUNTIME_FAILED', `${tarFile} could not be loaded on ${host.name}: ${stderr.trim()}`)
  const names = importedNames(stdout)
  if (names.length === 0) {
    throw new PodwireError('RUNTIME_FAILED', `${tarFile} names no image`, {
      hint: 'Save it with its name: docker save NAME:TAG, or with the annotation io.containerd.image.name in its index.json.',
    })
  }
  return names
}

/** Imports an archive that the host can see itself. */
export async function importArchive(
  { host, archive, socket }: { readonly host: Host; readonly archive: string; readonly socket: string },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { stdout } = await host.run([...importArgv(socket), archive], { signal })
  return importedNames(stdout)
}

const importArgv = (socket: string): readonly string[] => [
  'ctr',
  '--address',
  socket,
  '--namespace',
  kubernetesNamespace,
  'images',
  'import',
  '--snapshotter',
  'overlayfs',
]

/** `ctr` prints `unpacking NAME (DIGEST)...done` for each image. */
export function importedNames(text: string): readonly string[] {
  return [...text.matchAll(/^unpacking (\S+) \(/gm)].map(([, name]) => name!)
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk.toString()
  return text
}
