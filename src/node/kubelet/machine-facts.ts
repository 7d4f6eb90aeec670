import { readFile } from 'node:fs/promises'
import { arch, cpus, release, totalmem } from 'node:os'

export interface NodeCapacity {
  readonly cpus: number
  readonly memoryBytes: number
}

/** What the node's machine is, read once. */
export interface MachineFacts {
  readonly capacity: NodeCapacity
  /** As Kubernetes spells it: `amd64`, `arm64`. */
  readonly architecture: string
  readonly kernelVersion: string
  readonly osImage: string
  readonly machineId: string
  readonly systemUuid: string
  readonly bootId: string
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }

export async function readMachineFacts(): Promise<MachineFacts> {
  const [osRelease, machineId, systemUuid, bootId] = await Promise.all([
    readText('/etc/os-release'),
    readText('/etc/machine-id'),
    readText('/sys/class/dmi/id/product_uuid'),
    readText('/proc/sys/kernel/random/boot_id'),
  ])
  return {
    capacity: { cpus: cpus().length, memoryBytes: totalmem() },
    architecture: architectures[arch()] ?? arch(),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    machineId: machineId.trim(),
    systemUuid: systemUuid.trim() || machineId.trim(),
    bootId: bootId.trim(),
  }
}

/** Empty when the machine does not have the file. */
const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
