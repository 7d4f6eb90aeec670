/**
 * One part of a node's data plane: service proxy, network policy, Pod routes.
 *
 * `plan` is pure: the same inputs give the same bytes, so tests need no kernel.
 * `observe` and `apply` are the only steps that touch the node. Removing everything is the plan for nothing wanted.
 */
export interface Backend<Desired, Applied, Plan> {
  readonly name: string
  /** What the kernel holds of ours. */
  observe(signal: AbortSignal): Promise<Applied>
  /** The smallest transaction from `applied` to `desired`. */
  plan(desired: Desired, applied: Applied): Plan
  /** Carries the plan out and returns what the kernel then holds of ours. */
  apply(plan: Plan, signal: AbortSignal): Promise<Applied>
}
