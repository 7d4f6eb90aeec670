/** One direction of a tracked flow; ports are absent for protocols without them. */
export interface ConntrackTuple {
  readonly src: string
  readonly dst: string
  readonly sport?: number
  readonly dport?: number
}

/** One flow that the kernel tracks. NAT shows as `reply` not being `orig` turned round. */
export interface ConntrackEntry {
  readonly id: number
  readonly protocol: string
  /** Seconds until the entry expires without further packets. */
  readonly timeoutSeconds: number
  /** TCP and SCTP only: `ESTABLISHED`, `TIME_WAIT`, … */
  readonly state?: string
  readonly orig: ConntrackTuple
  readonly reply: ConntrackTuple
  /** ASSURED entries are not evicted early; UNREPLIED ones have seen one direction only. */
  readonly isAssured: boolean
  readonly isUnreplied: boolean
  readonly mark: number
}

/** The connection tracking table of one address family, in the network namespace of the caller. Errors: KERNEL_REFUSED, COMMAND_MISSING. */
export interface Conntrack {
  list(protocol: 'tcp' | 'udp' | 'icmp' | 'icmpv6' | 'sctp' | 'all', signal: AbortSignal): Promise<readonly ConntrackEntry[]>
  /** Removes the flow; one that has gone already is no error. The next packet of it is tracked and NATed anew. */
  delete(entry: Pick<ConntrackEntry, 'protocol' | 'orig'>, signal: AbortSignal): Promise<void>
}
