import type { Service } from '../../api/generated/types.js'
import type { Clock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import type { BackOff } from './back-off.js'
import type { KubeletConfig } from './kubelet-config.js'
import type { KubeletLog } from './kubelet-log.js'
import type { MachineFacts } from './machine-facts.js'
import type { PodEventRecorder } from './pod-events.js'
import type { DnsSettings, PodRuntime } from './pod-runtime.js'
import type { PodStatusWriter } from './pod-status-writer.js'
import type { Prober } from './prober.js'
import type { ReferencedObjects } from './referenced-objects.js'
import type { ServiceAccountTokens } from './service-account-tokens.js'
import type { PodVolumes } from './volumes.js'

/** What the workers of all Pods of a node share. */
export interface PodParts {
  readonly config: KubeletConfig
  readonly client: Client
  readonly clock: Clock
  readonly log: KubeletLog
  readonly runtime: PodRuntime
  readonly machine: MachineFacts
  readonly prober: Prober
  readonly volumes: PodVolumes
  /** Removes a cgroup with all below it. */
  readonly removeCgroup: (path: string, signal: AbortSignal) => Promise<unknown>
  readonly statuses: PodStatusWriter
  readonly record: PodEventRecorder
  readonly objects: ReferencedObjects
  readonly tokens: ServiceAccountTokens
  /** All Services of the cluster. */
  readonly services: () => readonly Service[]
  /** The node's own resolv.conf, for Pods that inherit it. */
  readonly nodeDns: () => Promise<DnsSettings>
  /** By `<Pod UID>/<container>`. */
  readonly crashes: BackOff
}
