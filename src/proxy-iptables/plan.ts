import type { NodeFacts, ServicePort, ServiceState } from '../service-model/service-state.js'
import { planTable } from './plan-table.js'
import { jumps, renderFixed, renderSharedEnds } from './render-base.js'
import { renderServicePort } from './render-service-port.js'
import { mergeRulesets, noRules, type Ruleset } from './ruleset.js'

/** What the kernel holds of ours: rules as read from it, or the state whose rules were the last to be written. */
export type AppliedIptables =
  | { readonly kind: 'observed'; readonly rules: Ruleset }
  | { readonly kind: 'written'; readonly state: ServiceState }

export interface IptablesPlan {
  /** Inputs of `iptables-restore --noflush`, one after the other; empty when nothing is to be done. */
  readonly restores: readonly string[]
  /** Whether UDP flows may have to be cut off: conntrack would keep sending them where no endpoint is any more. */
  readonly cutsUdp: boolean
  /** What the rules then stand for; undefined: nothing of ours is left. */
  readonly desired: ServiceState | undefined
}

/** All rules of a state. */
export const renderState = ({ node, ports }: ServiceState): Ruleset =>
  mergeRulesets([renderFixed(node), ...[...ports.values()].map(port => renderServicePort(port, node)), renderSharedEnds(node), jumps])

/** The smallest set of rule changes from what is applied to `desired`; undefined wants nothing of ours. */
export function planIptables(desired: ServiceState | undefined, applied: AppliedIptables): IptablesPlan {
  if (applied.kind === 'written' && applied.state === desired) return { restores: [], cutsUdp: false, desired }
  const changed = applied.kind === 'written' && desired?.node === applied.state.node ? changedPorts(applied.state, desired) : undefined
  if (changed !== undefined && changed.length <= maxSingly) {
    const { node } = desired!
    const isUdp = changed.some(({ before, after }) => before?.protocol === 'udp' || after?.protocol === 'udp')
    return {
      restores: restores(render(changed, 'before', node), render(changed, 'after', node), false),
      cutsUdp: isUdp,
      desired,
    }
  }
  const held = applied.kind === 'written' ? renderState(applied.state) : applied.rules
  return { restores: restores(held, desired === undefined ? noRules : renderState(desired), true), cutsUdp: true, desired }
}

/** With more changes than this, comparing whole states costs less than taking rules out of shared chains one by one. */
const maxSingly = 256

interface PortChange {
  readonly before: ServicePort | undefined
  readonly after: ServicePort | undefined
}

function changedPorts(from: ServiceState, to: ServiceState): readonly PortChange[] {
  const changes: PortChange[] = []
  for (const [key, after] of to.ports) {
    const before = from.ports.get(key)
    if (before !== after) changes.push({ before, after })
  }
  for (const [key, before] of from.ports) if (!to.ports.has(key)) changes.push({ before, after: undefined })
  return changes
}

const render = (changes: readonly PortChange[], side: keyof PortChange, node: NodeFacts): Ruleset =>
  mergeRulesets(changes.flatMap(({ [side]: port }) => (port === undefined ? [] : [renderServicePort(port, node)])))

/** Both tables' last sections go in one run of the program. */
function restores(held: Ruleset, wanted: Ruleset, isWhole: boolean): readonly string[] {
  const nat = planTable({ table: 'nat', held: held.nat, wanted: wanted.nat, isWhole })
  const filter = planTable({ table: 'filter', held: held.filter, wanted: wanted.filter, isWhole })
  const last = [nat.at(-1), filter.at(-1)].filter(text => text !== undefined).join('')
  return [...nat.slice(0, -1), ...filter.slice(0, -1), ...(last === '' ? [] : [last])]
}
