import type { Host } from '../kernel/host.js'
import type { LabSpec } from './lab-spec.js'

/** What a host is for. Nodes run an agent; externals stand outside the cluster on the underlay; the router joins its segments. */
export type HostRole = 'control-plane' | 'node' | 'external' | 'router'

export interface LabHost {
  readonly role: HostRole
  readonly host: Host
  /** Its address on the underlay, without prefix length. */
  readonly address: string
  /** Its interface on the underlay; of the router the one on the main segment. */
  readonly uplink: string
}

/** Makes the hosts of a lab and takes them away again. */
export interface Substrate {
  readonly name: 'netns'
  /** Hosts with an underlay between them; nothing runs on them yet. Half-made hosts are removed before it rejects. */
  create(spec: LabSpec, signal: AbortSignal): Promise<readonly LabHost[]>
  /** The hosts of a running lab, found by what the kernel holds; empty when there is none. */
  find(labName: string): Promise<readonly LabHost[]>
  /** Removes all that bears the lab's mark; true when there was something. */
  destroy(labName: string, signal: AbortSignal): Promise<boolean>
}
