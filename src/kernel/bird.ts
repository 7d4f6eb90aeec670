/** One BGP session as BIRD tells of it. */
export interface BirdSession {
  readonly name: string
  /** `Established`, `Active`, `Connect`, …; BIRD's own words. */
  readonly state: string
  /** The destinations learnt through it and chosen, sorted. */
  readonly routes: readonly string[]
}

/**
 * The routing daemon BIRD 2 in the network namespace of the caller.
 *
 * Errors: CONFIG_INVALID with BIRD's own words for a configuration that it refuses; COMMAND_MISSING without the programs; COMMAND_FAILED.
 */
export interface Bird {
  /** Makes `config` what the daemon goes by: starts it, or has it reload when the text differs. A running one keeps its sessions. */
  ensure(config: string, signal: AbortSignal): Promise<void>
  /** Ends the daemon; it takes its routes with it. No daemon is no error. */
  stop(signal: AbortSignal): Promise<void>
  /** The BGP sessions by name; none when no daemon runs. */
  sessions(signal: AbortSignal): Promise<readonly BirdSession[]>
}
