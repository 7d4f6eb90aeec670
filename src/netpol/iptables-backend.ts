import { isPodwireError, PodwireError } from '../base/errors/podwire-error.js'
import type { IpFamily } from '../base/net/address.js'
import type { Ipset } from '../kernel/ipset.js'
import type { Iptables } from '../kernel/iptables.js'
import { noContent, type TableContent } from '../kernel/nft-content.js'
import type { Backend } from '../reconcile/backend.js'
import { type IptablesSteps, parseIptablesContent, planIptablesContent } from './plan-iptables.js'
import type { PolicyState } from './policy-state.js'
import { iptablesRenderer } from './render-iptables.js'
import { changedParts, type StateRenderer, wholeState } from './state-parts.js'

const families = [4, 6] as const

/** What the kernel holds of ours: content as read from it, or the state that was written last. */
export type AppliedIptablesPolicy =
  | { readonly kind: 'observed'; readonly content: Readonly<Record<IpFamily, TableContent>> }
  | { readonly kind: 'written'; readonly state: PolicyState }

export interface IptablesPolicyPlan {
  readonly steps: Readonly<Record<IpFamily, IptablesSteps>>
  readonly desired: PolicyState | undefined
}

export interface IptablesPolicyParts {
  readonly ipset: Ipset
  /** The rules of each family. */
  readonly iptables: Readonly<Record<IpFamily, Iptables>>
}

const renderers: Readonly<Record<IpFamily, StateRenderer>> = { 4: iptablesRenderer(4), 6: iptablesRenderer(6) }

/**
 * Policies as iptables rules and IP sets. Desired `undefined` removes both.
 *
 * The rules of a family change in one transaction; its sets grow before and shrink after, since ipset has none.
 * Errors: KERNEL_UNSUPPORTED where there are no IP sets.
 */
export function iptablesPolicy({
  ipset,
  iptables,
}: IptablesPolicyParts): Backend<PolicyState | undefined, AppliedIptablesPolicy, IptablesPolicyPlan> {
  return {
    name: 'netpol-iptables',

    async observe(signal) {
      const sets = await ipset.save(signal).catch(cause => {
        throw isPodwireError(cause, 'KERNEL_REFUSED') ? withoutSets(cause) : cause
      })
      const [v4, v6] = await Promise.all(
        families.map(async family => parseIptablesContent(await iptables[family].save('mangle', signal), sets, family)),
      )
      return { kind: 'observed', content: { 4: v4!, 6: v6! } }
    },

    plan(desired, applied) {
      const stepsOf = (family: IpFamily): IptablesSteps => {
        const by = renderers[family]
        if (applied.kind === 'written' && desired !== undefined) {
          const { held, wanted } = changedParts(by, applied.state, desired)
          return planIptablesContent(held, wanted, family)
        }
        const held = applied.kind === 'written' ? wholeState(by, applied.state) : applied.content[family]
        return planIptablesContent(held, desired === undefined ? noContent : wholeState(by, desired), family)
      }
      return { steps: { 4: stepsOf(4), 6: stepsOf(6) }, desired }
    },

    async apply({ steps, desired }, signal) {
      const sets = async (text: string) => {
        if (text !== '') await ipset.restore(text, signal)
      }
      await sets(steps[4].setsBefore + steps[6].setsBefore)
      for (const family of families) if (steps[family].rules !== '') await iptables[family].restore(steps[family].rules, signal)
      await sets(steps[4].setsAfter + steps[6].setsAfter)
      return desired === undefined ? { kind: 'observed', content: { 4: noContent, 6: noContent } } : { kind: 'written', state: desired }
    },
  }
}

const withoutSets = (cause: unknown): PodwireError =>
  new PodwireError('KERNEL_UNSUPPORTED', 'network policies by iptables need IP sets, which this kernel has not (ip_set, xt_set)', {
    hint: 'Load them with `modprobe ip_set_hash_net xt_set`, or let nftables enforce policies.',
    cause,
  })
