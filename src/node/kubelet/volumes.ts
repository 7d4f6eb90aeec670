import { chmod, chown, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path/posix'

import type { HostPathVolumeSource, Volume } from '../../api/generated/types.js'
import { wholeValue } from '../../api/quantity.js'
import type { Host } from '../../kernel/host.js'
import { writeFileTree } from './atomic-files.js'
import { ContainerConfigError } from './container-config-error.js'
import { type KubeletConfig, podDir } from './kubelet-config.js'
import { isFileVolume, readVolumeFiles, type VolumeFilesInput } from './volume-files.js'

export interface PodVolumesOptions {
  readonly config: KubeletConfig
  /** The node itself: memory volumes are mounted there. */
  readonly host: Host
}

export interface PodVolumes {
  /**
   * Makes the Pod's volumes and brings their files up to date; returns the node's path of each, by name.
   * Errors: ContainerConfigError for what a volume refers to and is not there.
   */
  ensure(input: VolumeFilesInput, signal: AbortSignal): Promise<ReadonlyMap<string, string>>
  /** Removes all that belongs to the Pod, with its memory volumes. */
  remove(podUid: string, signal: AbortSignal): Promise<void>
  /** The UIDs of the Pods that have something here. */
  podUids(): Promise<readonly string[]>
}

/** The volumes of a node's Pods, below the kubelet's folder. */
export function podVolumes({ config, host }: PodVolumesOptions): PodVolumes {
  async function ensureVolume(volume: Volume, input: VolumeFilesInput, signal: AbortSignal): Promise<string> {
    const { pod } = input
    const root = `${podDir(config, pod.metadata?.uid ?? '')}/volumes`
    const group = pod.spec?.securityContext?.fsGroup
    if (isFileVolume(volume)) {
      const path = `${root}/kubernetes.io~${fileKind(volume)}/${volume.name}`
      await writeFileTree(path, await readVolumeFiles(volume, input, signal), group)
      return path
    }
    if (volume.hostPath) return ensureHostPath(volume.hostPath)
    if (!volume.emptyDir) throw new ContainerConfigError(`volume "${volume.name}" is of a kind that this kubelet does not know`)
    const path = `${root}/kubernetes.io~empty-dir/${volume.name}`
    await ensureEmptyDir(path, volume.emptyDir, group, signal)
    return path
  }

  async function ensureEmptyDir(path: string, source: NonNullable<Volume['emptyDir']>, group: number | undefined, signal: AbortSignal) {
    const isNew = (await mkdir(path, { recursive: true })) !== undefined
    const inMemory = source.medium === 'Memory' && !(await isMountPoint(path))
    if (inMemory) {
      const size = source.sizeLimit === undefined ? [] : ['-o', `size=${wholeValue(source.sizeLimit)}`]
      await host.run(['mount', '-t', 'tmpfs', ...size, 'tmpfs', path], { signal })
    }
    if (!isNew && !inMemory) return
    if (group !== undefined) await chown(path, -1, group)
    await chmod(path, group === undefined ? 0o777 : 0o2777)
  }

  return {
    async ensure(input, signal) {
      const { pod } = input
      const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
      const used = new Set(containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name)))
      const volumes = (pod.spec?.volumes ?? []).filter(({ name }) => used.has(name))
      return new Map(await Promise.all(volumes.map(async volume => [volume.name, await ensureVolume(volume, input, signal)] as const)))
    },
    async remove(podUid, signal) {
      const memory = `${podDir(config, podUid)}/volumes/kubernetes.io~empty-dir`
      for (const name of await readdir(memory).catch(() => [])) {
        if (await isMountPoint(`${memory}/${name}`)) await host.run(['umount', `${memory}/${name}`], { signal })
      }
      await rm(podDir(config, podUid), { recursive: true, force: true })
    },
    podUids: () => readdir(`${config.rootDir}/pods`).catch(() => []),
  }
}

function fileKind({ configMap, secret, downwardAPI }: Volume): string {
  if (configMap) return 'configmap'
  if (secret) return 'secret'
  return downwardAPI ? 'downward-api' : 'projected'
}

const isMountPoint = async (path: string): Promise<boolean> => (await stat(path)).dev !== (await stat(dirname(path))).dev

/** Source: Kubernetes documentation, hostPath volume types. */
async function ensureHostPath({ path, type = '' }: HostPathVolumeSource): Promise<string> {
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 })
  if (type === 'FileOrCreate') await writeFile(path, '', { flag: 'a', mode: 0o644 })
  const found = await stat(path).catch(() => undefined)
  const matches: Readonly<Record<string, () => boolean | undefined>> = {
    Directory: () => found?.isDirectory(),
    DirectoryOrCreate: () => found?.isDirectory(),
    File: () => found?.isFile(),
    FileOrCreate: () => found?.isFile(),
    Socket: () => found?.isSocket(),
    CharDevice: () => found?.isCharacterDevice(),
    BlockDevice: () => found?.isBlockDevice(),
  }
  if (type !== '' && !matches[type]?.()) throw new ContainerConfigError(`hostPath type check failed: ${path} is not a ${type}`)
  return path
}
