import { mkdir, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path/posix'

import type { Container, VolumeMount } from '../../api/generated/types.js'
import { ContainerConfigError } from './container-config-error.js'
import { expandVariables } from './expand-variables.js'
import type { Mount } from './pod-runtime.js'

export interface MountsInput {
  readonly container: Container
  readonly env: ReadonlyMap<string, string>
  /** The node's path of each volume, by name. */
  readonly volumePaths: ReadonlyMap<string, string>
  /** The Pod's hosts file; undefined when the container brings its own over a volume. */
  readonly hostsFile: string
  /** The file that becomes the container's termination message. */
  readonly terminationLog: string
}

const propagations = { HostToContainer: 'hostToContainer', Bidirectional: 'bidirectional', None: 'private' } as const

export const defaultTerminationPath = '/dev/termination-log'

/** What is mounted into a container: its volumes, /etc/hosts, and the file for its last words. Makes missing folders of subPaths. */
export async function prepareMounts(input: MountsInput): Promise<readonly Mount[]> {
  const { container, hostsFile, terminationLog } = input
  const volumes = await Promise.all((container.volumeMounts ?? []).map(mount => volumeMount(mount, input)))
  await writeFile(terminationLog, '', { mode: 0o666 })
  const own = { isReadOnly: false, propagation: 'private' } as const
  return [
    ...volumes,
    ...(volumes.some(({ containerPath }) => containerPath === '/etc/hosts')
      ? []
      : [{ containerPath: '/etc/hosts', hostPath: hostsFile, ...own }]),
    { containerPath: container.terminationMessagePath ?? defaultTerminationPath, hostPath: terminationLog, ...own },
  ]
}

async function volumeMount(mount: VolumeMount, { env, volumePaths }: MountsInput): Promise<Mount> {
  const volume = volumePaths.get(mount.name)
  if (volume === undefined) throw new ContainerConfigError(`volume "${mount.name}" is not a volume of the Pod`)
  const subPath = mount.subPathExpr === undefined ? (mount.subPath ?? '') : expandVariables(mount.subPathExpr, env)
  return {
    containerPath: mount.mountPath,
    hostPath: subPath === '' ? volume : await ensureSubPath(volume, subPath),
    isReadOnly: mount.readOnly ?? false,
    propagation: propagations[(mount.mountPropagation ?? 'None') as keyof typeof propagations],
  }
}

/** A path inside a volume with all links followed, so that no link leads a container out of its volume. */
async function ensureSubPath(volume: string, subPath: string): Promise<string> {
  const wanted = join(volume, subPath)
  const root = await realpath(volume)
  const found = await realpath(wanted).catch(() => undefined)
  const isInside = (path: string) => path === root || path.startsWith(`${root}/`)
  if (found !== undefined && isInside(found)) return found
  if (found !== undefined || !isInside(join(root, subPath))) throw new ContainerConfigError(`subPath "${subPath}" leads out of its volume`)
  await mkdir(wanted, { recursive: true, mode: 0o755 })
  return wanted
}
