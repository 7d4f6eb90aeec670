import { mergeContents, type TableContent } from '../kernel/nft-content.js'
import type { Nftables } from '../kernel/nftables.js'
import { parseNftTable } from '../kernel/parse-nft-table.js'
import { planNftTable } from '../kernel/plan-nft-table.js'
import type { Backend } from '../reconcile/backend.js'
import type { PolicyProfile, PolicyState } from './policy-state.js'
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

/** What the kernel holds of ours: content as read from it (undefined: no table), or the state that was written last. */
export type AppliedPolicy =
  | { readonly kind: 'observed'; readonly content: TableContent | undefined }
  | { readonly kind: 'written'; readonly state: PolicyState }

export interface PolicyPlan {
  /** One transaction for `nft -f`; empty when nothing is to be done. */
  readonly transaction: string
  readonly desired: PolicyState | undefined
}

type Render = (state: PolicyState, key: string) => TableContent | undefined

/** A part that is the same object in two states is the same in the kernel. No two parts share a chain, a set or an element. */
const parts: readonly { readonly of: (state: PolicyState) => ReadonlyMap<string, unknown>; readonly render: Render }[] = [
  { of: ({ portSets }) => portSets, render: ({ portSets }, key) => optional(portSets.get(key), renderPortSet) },
  { of: ({ groups }) => groups, render: ({ groups }, key) => optional(groups.get(key), renderGroup) },
  { of: ({ nets }) => nets, render: ({ nets }, key) => optional(nets.get(key), renderNets) },
  { of: ({ namedPorts }) => namedPorts, render: ({ namedPorts }, key) => optional(namedPorts.get(key), renderNamedPorts) },
  { of: ({ chains }) => chains, render: ({ chains }, key) => optional(chains.get(key), renderChain) },
  { of: ({ profiles }) => profiles, render: (state, key) => optional(state.profiles.get(key), profile => profileOf(state, profile)) },
  { of: ({ pods }) => pods, render: ({ pods }, key) => optional(pods.get(key), renderPod) },
]

const optional = <T>(value: T | undefined, render: (value: T) => TableContent): TableContent | undefined => value && render(value)

const profileOf = ({ chains }: PolicyState, profile: PolicyProfile): TableContent =>
  renderProfile(profile, id => chains.get(id)?.policy ?? '')

/** The whole table of a state. */
export const renderState = (state: PolicyState): TableContent =>
  mergeContents([
    renderBase(state.node),
    ...parts.flatMap(({ of, render }) => [...of(state).keys()].flatMap(key => render(state, key) ?? [])),
  ])

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
  const held: TableContent[] = []
  const wanted: TableContent[] = []
  if (before.node !== desired.node) {
    held.push(renderBase(before.node))
    wanted.push(renderBase(desired.node))
  }
  for (const { of, render } of parts) {
    const [was, is] = [of(before), of(desired)]
    if (was === is) continue
    for (const key of new Set([...was.keys(), ...is.keys()])) {
      if (was.get(key) === is.get(key)) continue
      held.push(...[render(before, key)].filter(part => part !== undefined))
      wanted.push(...[render(desired, key)].filter(part => part !== undefined))
    }
  }
  return { transaction: planNftTable({ table: policyTable, held: mergeContents(held), wanted: mergeContents(wanted) }), desired }
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
