/** A table of ours: no other program writes to it. */
export interface NftTableName {
  readonly family: 'ip' | 'ip6' | 'inet'
  readonly table: string
}

/**
 * The kernel's nf_tables rules, in the network namespace of the caller.
 *
 * Errors: KERNEL_REFUSED with the line and nft's own words; COMMAND_MISSING without the program.
 */
export interface Nftables {
  /** A table as `nft --stateless list table` prints it; undefined when there is none. */
  list(name: NftTableName, signal: AbortSignal): Promise<string | undefined>
  /** Feeds `nft -f`. The whole text is one transaction: it is carried out whole or not at all. */
  apply(text: string, signal: AbortSignal): Promise<void>
}
