import type { DatapathKind } from '../base/config/agent-config.js'
import type { Client } from '../client/client.js'
import type { Host } from '../kernel/host.js'

/** A host of the lab as flow needs it; what `lab` calls LabHost fits. */
export interface FlowHost {
  readonly role: 'control-plane' | 'node' | 'external' | 'router'
  readonly host: Host
  /** Its address on the underlay. */
  readonly address: string
  /** Its interface on the underlay. */
  readonly uplink: string
  /** Where the CNI plugin keeps the attachments of Pods on this host; the path that agents use when absent. */
  readonly cniStateDir?: string
}

/** The lab that flows are sent through. */
export interface FlowLab {
  readonly hosts: readonly FlowHost[]
  readonly client: Client
  readonly lab: {
    readonly name: string
    readonly substrate: string
    readonly datapath: DatapathKind
    readonly proxy: string
    readonly masqueradeAll?: boolean
    /** Whether network policies are enforced. */
    readonly policy?: boolean
    /** Whether hosts, Pods and Services have IPv6 addresses beside the IPv4 ones. */
    readonly dualStack?: boolean
    /** Of the underlay; one when absent. */
    readonly segments?: number
  }
}
