import type { PolicyMode } from '../base/config/agent-config.js'
import { isPodwireError, PodwireError } from '../base/errors/podwire-error.js'
import type { Backend } from '../reconcile/backend.js'
import type { PolicyState } from './policy-state.js'

/** One way to enforce network policies in this kernel. */
export interface PolicyMember {
  readonly mode: Exclude<PolicyMode, 'none'>
  readonly backend: Backend<PolicyState | undefined, unknown, unknown>
}

/** What is wanted of network policies on this node; without a state there is no rule of any mode. */
export interface WantedPolicy {
  readonly mode: PolicyMode
  readonly state: PolicyState | undefined
}

/** What each member holds. One that this machine cannot do is not among them: it holds nothing. */
export type HeldPolicy = ReadonlyMap<PolicyMember, unknown>

interface MemberPlan {
  readonly member: PolicyMember
  readonly plan: unknown
}

export interface PolicySwitchPlan {
  /** The wanted mode first: no packet goes by without being judged. */
  readonly order: readonly MemberPlan[]
  /** The member that is wanted, and that this machine cannot do. */
  readonly impossible: PolicyMember | undefined
}

/**
 * All modes as one backend, of which one is in use; both judge while one takes over from another.
 * Errors: KERNEL_UNSUPPORTED or COMMAND_MISSING for a mode that this machine cannot do, and then what was enforced still is.
 */
export function policySwitch(members: readonly PolicyMember[]): Backend<WantedPolicy, HeldPolicy, PolicySwitchPlan> {
  return {
    name: 'network policies',

    async observe(signal) {
      const held = new Map<PolicyMember, unknown>()
      for (const member of members) {
        try {
          held.set(member, await member.backend.observe(signal))
        } catch (error) {
          if (!isPodwireError(error, 'KERNEL_UNSUPPORTED') && !isPodwireError(error, 'COMMAND_MISSING')) throw error
        }
      }
      return held
    },

    plan({ mode, state }, held) {
      const wanted = members.find(member => member.mode === mode)
      const order = [...held.keys()].toSorted((a, b) => Number(b === wanted) - Number(a === wanted))
      return {
        order: order.map(member => ({ member, plan: member.backend.plan(member === wanted ? state : undefined, held.get(member)) })),
        impossible: wanted === undefined || state === undefined || held.has(wanted) ? undefined : wanted,
      }
    },

    async apply({ order, impossible }, signal) {
      if (impossible !== undefined) {
        // What is missing says so itself; when it has come since, the next look finds it.
        await impossible.backend.observe(signal)
        throw new PodwireError('KERNEL_UNSUPPORTED', `network policies by ${impossible.mode} have only just become possible`)
      }
      const held = new Map<PolicyMember, unknown>()
      for (const { member, plan } of order) held.set(member, await member.backend.apply(plan, signal))
      return held
    },
  }
}
