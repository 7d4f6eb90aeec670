/**
 * The kernel's IP sets, in the network namespace of the caller.
 *
 * Errors: KERNEL_REFUSED with the line and ipset's own words; COMMAND_MISSING without the program.
 */
export interface Ipset {
  /** Every set with its entries, as `ipset save` prints them: `create NAME TYPE OPTIONS`, `add NAME ENTRY`. */
  save(signal: AbortSignal): Promise<string>
  /**
   * Feeds `ipset restore`, one command a line, carried out in order: `create`, `add`, `del`, `flush`, `destroy`, each as `save` prints it.
   * There is no transaction: what stands before a refused line is carried out, and what stands after it is not.
   */
  restore(text: string, signal: AbortSignal): Promise<void>
}
