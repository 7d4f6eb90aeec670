export type IptablesTable = 'filter' | 'nat' | 'mangle' | 'raw'

/**
 * The kernel's iptables rules of one address family, in the network namespace of the caller.
 *
 * Errors: KERNEL_REFUSED with the table, the line and iptables' own words; COMMAND_MISSING without the programs.
 */
export interface Iptables {
  /** A table as `iptables-save` prints it. */
  save(table: IptablesTable, signal: AbortSignal): Promise<string>
  /** Whether the table has the chain; costs the same however many rules there are. */
  hasChain(table: IptablesTable, chain: string, signal: AbortSignal): Promise<boolean>
  /**
   * Feeds `iptables-restore --noflush`. Each `*table … COMMIT` section is one transaction: it is carried out whole or not at all.
   *
   * A line `:CHAIN - [0:0]` makes the chain or empties it, `-A`, `-I` and `-D` change rules, `-X` removes an empty chain that nothing
   * jumps to; chains not named stay as they are. Sections before a refused one have been carried out.
   */
  restore(text: string, signal: AbortSignal): Promise<void>
}
