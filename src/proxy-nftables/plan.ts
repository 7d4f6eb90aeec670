import { mergeContents, noContent, type TableContent } from '../kernel/nft-content.js'
import type { NftTableName } from '../kernel/nftables.js'
import { planNftTable } from '../kernel/plan-nft-table.js'
import type { ServicePort, ServiceState } from '../service-model/service-state.js'
import { renderBase } from './render-base.js'
import { renderServicePort } from './render-service-port.js'

/** What the kernel holds of ours: content as read from it (undefined: there is no table), or the state whose content was the last to be written. */
export type AppliedNftables =
  | { readonly kind: 'observed'; readonly content: TableContent | undefined }
  | { readonly kind: 'written'; readonly state: ServiceState }

export interface NftablesPlan {
  /** One transaction for `nft -f`; empty when nothing is to be done. */
  readonly transaction: string
  /** Whether UDP flows may have to be cut off: conntrack would keep sending them where no endpoint is any more. */
  readonly cutsUdp: boolean
  /** What the table then stands for; undefined: nothing of ours is left. */
  readonly desired: ServiceState | undefined
}

/** The whole table of a state. */
export const renderState = ({ node, ports }: ServiceState): TableContent =>
  mergeContents([renderBase(node), ...[...ports.values()].sort(byKey).map(port => renderServicePort(port, node))])

/** The smallest transaction from what is applied to `desired`; undefined wants nothing of ours in `table`. */
export function planNftables(desired: ServiceState | undefined, applied: AppliedNftables, table: NftTableName): NftablesPlan {
  if (desired === undefined) {
    const isThere = applied.kind === 'written' || applied.content !== undefined
    return { transaction: isThere ? `delete table ${table.family} ${table.table}\n` : '', cutsUdp: false, desired }
  }
  if (applied.kind === 'written' && applied.state === desired) return { transaction: '', cutsUdp: false, desired }
  if (applied.kind === 'written' && applied.state.node === desired.node) {
    const changed = changedPorts(applied.state, desired)
    if (changed.size <= maxSingly) {
      const concerned = withNeighbours(changed, applied.state, desired)
      const held = renderSome(concerned, applied.state)
      return {
        transaction: planNftTable({ table, held, wanted: renderSome(concerned, desired) }),
        cutsUdp: [...changed].some(key => (applied.state.ports.get(key) ?? desired.ports.get(key))?.protocol === 'udp'),
        desired,
      }
    }
  }
  const held = applied.kind === 'written' ? renderState(applied.state) : applied.content
  return { transaction: planNftTable({ table, held, wanted: renderState(desired) }), cutsUdp: true, desired }
}

/** With more changes than this, comparing whole states costs no more. */
const maxSingly = 256

function changedPorts(from: ServiceState, to: ServiceState): ReadonlySet<string> {
  const changed = new Set<string>()
  for (const [key, after] of to.ports) if (from.ports.get(key) !== after) changed.add(key)
  for (const key of from.ports.keys()) if (!to.ports.has(key)) changed.add(key)
  return changed
}

/**
 * The changed ports, and of the others those whose content overlaps theirs: who else claims an address or has a Pod as endpoint, and one user of each
 * chain. Comparing these alone, what several Services share neither goes too early nor comes twice.
 */
function withNeighbours(changed: ReadonlySet<string>, from: ServiceState, to: ServiceState): ReadonlySet<string> {
  const concerned = new Set(changed)
  const touched = [...changed].flatMap(key => [from.ports.get(key), to.ports.get(key)]).filter(port => port !== undefined)
  const claims = new Set(touched.flatMap(claimsOf))
  const addresses = new Set(touched.flatMap(addressesOf))
  const chains = new Set(touched.flatMap(port => [...renderServicePort(port, to.node).chains.keys()]))
  const shapes = new Set<string>()
  for (const [key, port] of to.ports) {
    if (changed.has(key)) continue
    if (claimsOf(port).some(claim => claims.has(claim))) concerned.add(key)
    for (const address of addressesOf(port)) if (addresses.delete(address)) concerned.add(key)
    const shape = shapeOf(port)
    if (shape === undefined || shapes.has(shape)) continue
    shapes.add(shape)
    for (const chain of renderServicePort(port, to.node).chains.keys()) if (chains.delete(chain)) concerned.add(key)
  }
  return concerned
}

/** What another Service may not have too, and yet may claim. */
const claimsOf = ({ protocol, port, nodePort, clusterIP, externalIPs, loadBalancerIPs }: ServicePort): readonly string[] => [
  ...[clusterIP, ...externalIPs, ...loadBalancerIPs].map(ip => `${ip} ${protocol} ${port}`),
  ...(nodePort === undefined ? [] : [`${protocol} ${nodePort}`]),
]

/** What other ports and Services may have too. */
const addressesOf = ({ clusterIP, reachableEndpoints }: ServicePort): readonly string[] => [
  clusterIP,
  ...reachableEndpoints.map(({ address }) => address),
]

/** Ports of equal shape go to the same shared chains; undefined for a port with chains of its own. */
const shapeOf = (port: ServicePort): string | undefined =>
  port.affinitySeconds === undefined
    ? [
        port.protocol,
        port.clusterEndpoints.length,
        port.localEndpoints.length,
        port.internalTrafficPolicy,
        port.externalTrafficPolicy,
        port.internal,
        port.hasEndpoints,
        port.nodePort !== undefined,
        port.externalIPs.length + port.loadBalancerIPs.length > 0,
      ].join()
    : undefined

const renderSome = (keys: ReadonlySet<string>, { node, ports }: ServiceState): TableContent =>
  mergeContents(
    [...keys]
      .sort()
      .map(key => ports.get(key))
      .map(port => (port === undefined ? noContent : renderServicePort(port, node))),
  )

const byKey = (a: ServicePort, b: ServicePort): number => (a.key < b.key ? -1 : 1)
