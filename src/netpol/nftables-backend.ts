import { noContent, type TableContent } from '../kernel/nft-content.js'
import type { Nftables } from '../kernel/nftables.js'
import { parseNftTable } from '../kernel/parse-nft-table.js'
import { planNftTable } from '../kernel/plan-nft-table.js'
import type { Backend } from '../reconcile/backend.js'
import type { PolicyState } from './policy-state.js'
import {
  policyTable,
  renderBase,
  renderChain,
  renderGroup,
  renderNamedPorts,
  renderNets,
  renderPod,
  renderPortSet,
  renderProfile,
} from './render-nftables.js'
import { changedParts, type StateRenderer, wholeState } from './state-parts.js'

/** What the kernel holds of ours: content as read from it (undefined: no table), or the state that was written last. */
export type AppliedPolicy =
  | { readonly kind: 'observed'; readonly content: TableContent | undefined }
  | { readonly kind: 'written'; readonly state: PolicyState }

export interface PolicyPlan {
  /** One transaction for `nft -f`; empty when nothing is to be done. */
  readonly transaction: string
  readonly desired: PolicyState | undefined
}

const renderer: StateRenderer = {
  base: renderBase,
  profiles: () => noContent,
  profile: renderProfile,
  pod: renderPod,
  chain: renderChain,
  group: renderGroup,
  nets: renderNets,
  namedPorts: renderNamedPorts,
  portSet: renderPortSet,
}

/** The whole table of a state. */
export const renderState = (state: PolicyState): TableContent => wholeState(renderer, state)

/** The smallest transaction from what is applied to `desired`; undefined wants nothing of ours. */
export function planPolicy(desired: PolicyState | undefined, applied: AppliedPolicy): PolicyPlan {
  const { family, table } = policyTable
  if (desired === undefined) {
    const isThere = applied.kind === 'written' || applied.content !== undefined
    return { transaction: isThere ? `delete table ${family} ${table}\n` : '', desired }
  }
  if (applied.kind === 'observed') {
    return { transaction: planNftTable({ table: policyTable, held: applied.content, wanted: renderState(desired) }), desired }
  }
  const { state: before } = applied
  if (before === desired) return { transaction: '', desired }
  return { transaction: planNftTable({ table: policyTable, ...changedParts(renderer, before, desired) }), desired }
}

/** Policies as one nf_tables table of both families. Desired `undefined` removes it. */
export function nftablesPolicy(nftables: Nftables): Backend<PolicyState | undefined, AppliedPolicy, PolicyPlan> {
  return {
    name: 'netpol-nftables',
    async observe(signal) {
      const listed = await nftables.list(policyTable, signal)
      return { kind: 'observed', content: listed === undefined ? undefined : parseNftTable(listed) }
    },
    plan: planPolicy,
    async apply({ transaction, desired }, signal) {
      if (transaction !== '') await nftables.apply(transaction, signal)
      return desired === undefined ? { kind: 'observed', content: undefined } : { kind: 'written', state: desired }
    },
  }
}
