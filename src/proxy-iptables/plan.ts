import type { NodeFacts, ServicePort, ServiceState } from '../service-model/service-state.js'
import { planTable, type TableChange } from './plan-table.js'
import { jumps, renderFixed, renderSharedEnds } from './render-base.js'
import { type RenderStyle, renderServicePort } from './render-service-port.js'
import { mergeRulesets, noRules, type Ruleset, tables } from './ruleset.js'

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

/** With more endpoints than this rules bear no comments, and chains without use are taken away only now and then: kube-proxy's large-cluster mode. */
const largeClusterEndpoints = 1000

function isLarge({ ports }: ServiceState): boolean {
  let endpoints = 0
  for (const { reachableEndpoints } of ports.values()) endpoints += reachableEndpoints.length
  return endpoints > largeClusterEndpoints
}

/** All rules of a state. */
export function renderState(state: ServiceState): Ruleset {
  const { node, ports } = state
  const style = { hasComments: !isLarge(state) }
  const services = [...ports.values()].map(port => renderServicePort(port, node, style))
  return mergeRulesets([renderFixed(node), ...services, renderSharedEnds(node), jumps])
}

export interface PlanOptions {
  /** Lines after which a section of `iptables-restore` ends. */
  readonly sectionLines: number
}

/** The kernel needs time quadratic in the chains of one nf_tables transaction. */
export const nftSections: PlanOptions = { sectionLines: 5000 }
/** The older tables are replaced whole at each COMMIT, however little changed. */
export const legacySections: PlanOptions = { sectionLines: Number.POSITIVE_INFINITY }

/** The smallest set of rule changes from what is applied to `desired`; undefined wants nothing of ours. */
export function planIptables(
  desired: ServiceState | undefined,
  applied: AppliedIptables,
  options: PlanOptions = nftSections,
): IptablesPlan {
  if (applied.kind === 'written' && applied.state === desired) return { restores: [], cutsUdp: false, desired }
  const changed =
    applied.kind === 'written' && desired?.node === applied.state.node && isLarge(desired) === isLarge(applied.state)
      ? changedPorts(applied.state, desired)
      : undefined
  if (changed !== undefined && changed.length <= maxSingly) {
    const { node } = desired!
    const large = isLarge(desired!)
    const style = { hasComments: !large }
    const isUdp = changed.some(({ before, after }) => before?.protocol === 'udp' || after?.protocol === 'udp')
    return {
      restores: restores(render(changed, 'before', node, style), render(changed, 'after', node, style), {
        ...options,
        isWhole: false,
        keepsStale: large,
      }),
      cutsUdp: isUdp,
      desired,
    }
  }
  const held = applied.kind === 'written' ? renderState(applied.state) : applied.rules
  const wanted = desired === undefined ? noRules : renderState(desired)
  return { restores: restores(held, wanted, { ...options, isWhole: true, keepsStale: false }), cutsUdp: true, desired }
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

const render = (changes: readonly PortChange[], side: keyof PortChange, node: NodeFacts, style: RenderStyle): Ruleset =>
  mergeRulesets(changes.flatMap(({ [side]: port }) => (port === undefined ? [] : [renderServicePort(port, node, style)])))

/** The last sections of all tables go in one run of the program. */
function restores(held: Ruleset, wanted: Ruleset, how: Pick<TableChange, 'isWhole' | 'sectionLines' | 'keepsStale'>): readonly string[] {
  const sections = tables.map(table => planTable({ table, held: held[table], wanted: wanted[table], ...how }))
  const last = sections.map(of => of.at(-1) ?? '').join('')
  return [...sections.flatMap(of => of.slice(0, -1)), ...(last === '' ? [] : [last])]
}
