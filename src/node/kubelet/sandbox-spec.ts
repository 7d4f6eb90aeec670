import type { Pod } from '../../api/generated/types.js'
import { type KubeletConfig, podCgroup, podLogDir } from './kubelet-config.js'
import { hostnameOf, identityOf, isHostNetwork } from './pod-identity.js'
import type { DnsSettings, PortMapping, SandboxSpec } from './pod-runtime.js'

export interface SandboxInput {
  readonly pod: Pod
  readonly attempt: number
  readonly config: KubeletConfig
  readonly dns: DnsSettings
}

/** A Pod's sandbox as the runtime is asked for it. */
export function buildSandboxSpec({ pod, attempt, config, dns }: SandboxInput): SandboxSpec {
  const { spec } = pod
  const identity = identityOf(pod)
  const security = spec?.securityContext ?? {}
  return {
    pod: identity,
    attempt,
    hostname: isHostNetwork(pod) ? '' : hostnameOf(pod),
    logDirectory: podLogDir(config, identity),
    dns,
    portMappings: isHostNetwork(pod) ? [] : portMappings(pod),
    labels: pod.metadata?.labels ?? {},
    annotations: pod.metadata?.annotations ?? {},
    cgroupParent: podCgroup(config, identity.uid),
    sysctls: Object.fromEntries((security.sysctls ?? []).map(({ name, value }) => [name, value])),
    namespaces: {
      network: isHostNetwork(pod) ? 'node' : 'pod',
      pid: spec?.hostPID ? 'node' : spec?.shareProcessNamespace ? 'pod' : 'container',
      ipc: spec?.hostIPC ? 'node' : 'pod',
    },
    isPrivileged: (spec?.containers ?? []).some(container => container.securityContext?.privileged === true),
    runAsUser: security.runAsUser,
    runAsGroup: security.runAsUser === undefined ? undefined : security.runAsGroup,
    supplementalGroups: [...(security.supplementalGroups ?? []), ...(security.fsGroup === undefined ? [] : [security.fsGroup])],
  }
}

function portMappings(pod: Pod): readonly PortMapping[] {
  const ports = (pod.spec?.containers ?? []).flatMap(container => container.ports ?? [])
  return ports.flatMap(({ hostPort, containerPort, protocol = 'TCP', hostIP = '' }) =>
    hostPort ? [{ protocol: protocol as PortMapping['protocol'], containerPort, hostPort, hostIp: hostIP }] : [],
  )
}
