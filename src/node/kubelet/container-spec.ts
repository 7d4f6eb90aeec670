import { createHash } from 'node:crypto'
import type { Container, Pod } from '../../api/generated/types.js'
import { ContainerConfigError } from './container-config-error.js'
import { expandVariables } from './expand-variables.js'
import type { ContainerSecurity, ContainerSpec, Mount, RuntimeImage } from './pod-runtime.js'
import { buildContainerResources } from './resources.js'

export interface ContainerInput {
  readonly pod: Pod
  readonly container: Container
  readonly attempt: number
  readonly env: ReadonlyMap<string, string>
  readonly mounts: readonly Mount[]
  readonly image: RuntimeImage
  readonly memoryCapacity: number
}

/** What the runtime hides from containers that are not privileged (as Docker and upstream's kubelet do). */
const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/**
 * A container as the runtime is asked for it.
 * Errors: ContainerConfigError when it must not run as root and nothing says whom else.
 */
export function buildContainerSpec({ pod, container, attempt, env, mounts, image, memoryCapacity }: ContainerInput): ContainerSpec {
  const expand = (text: string) => expandVariables(text, env)
  return {
    name: container.name,
    attempt,
    image: container.image ?? '',
    hash: containerHash(container),
    command: (container.command ?? []).map(expand),
    args: (container.args ?? []).map(expand),
    workingDir: container.workingDir ?? '',
    env: [...env].map(([name, value]) => ({ name, value })),
    mounts,
    logPath: `${container.name}/${attempt}.log`,
    resources: buildContainerResources(pod, container, memoryCapacity),
    security: buildSecurity(pod, container, image),
    hasStdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    hasTty: container.tty ?? false,
    labels: {},
    annotations: {},
  }
}

/** Identifies what cannot be changed in a running container; of a Pod's containers only the image can change. */
export function containerHash(container: Container): string {
  return createHash('sha256').update(`${container.name}\0${container.image}`).digest('hex').slice(0, 16)
}

function buildSecurity(pod: Pod, container: Container, image: RuntimeImage): ContainerSecurity {
  const ofPod = pod.spec?.securityContext ?? {}
  const own = container.securityContext ?? {}
  const isPrivileged = own.privileged ?? false
  const runAsUser = own.runAsUser ?? ofPod.runAsUser
  const runAsGroup = own.runAsGroup ?? ofPod.runAsGroup
  if ((own.runAsNonRoot ?? ofPod.runAsNonRoot) === true && (runAsUser ?? image.user ?? 0) === 0) {
    throw new ContainerConfigError('container has runAsNonRoot and image will run as root')
  }
  const isHidden = !isPrivileged && (own.procMount ?? 'Default') === 'Default'
  return {
    isPrivileged,
    addCapabilities: own.capabilities?.add ?? [],
    dropCapabilities: own.capabilities?.drop ?? [],
    // The runtime refuses a group without a user.
    runAsUser: runAsUser ?? (runAsGroup === undefined ? undefined : image.user),
    runAsGroup,
    supplementalGroups: [...(ofPod.supplementalGroups ?? []), ...(ofPod.fsGroup === undefined ? [] : [ofPod.fsGroup])],
    hasReadOnlyRoot: own.readOnlyRootFilesystem ?? false,
    hasNoNewPrivileges: own.allowPrivilegeEscalation === false,
    maskedPaths: isHidden ? maskedPaths : [],
    readonlyPaths: isHidden ? readonlyPaths : [],
    useDefaultSeccomp: !isPrivileged && (own.seccompProfile ?? ofPod.seccompProfile)?.type === 'RuntimeDefault',
  }
}
