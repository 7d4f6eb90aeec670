import type { Change, Direction, HookStep, HopStep, Journey, PathEnd, PathStep, Place, Port } from '../base/net/path.js'

type PodEnd = Extract<PathEnd, { kind: 'pod' }>

/**
 * The way of one packet: a bridge on each node, and between nodes what the datapath says.
 *
 * On one node a frame is bridged: TTL and addresses stay, and a capture that is not promiscuous sees nothing at the bridge itself.
 * Between nodes a packet is routed on both, so its TTL falls by two, and by one more at a router that it crosses bare. On a flat layer 2 its own node
 * routes it, out by the bridge it came in by; the other node's bridge hands the frame on. What comes for a node itself is not bridged there.
 */
export function datapathPath(journey: Journey): readonly PathStep[] {
  const { from, to, redirectedOn, entry } = journey
  if (from.kind === 'pod') {
    const isToItself = to.kind === 'pod' && to.pod === from.pod && redirectedOn === undefined
    return isToItself ? [hop(inPod(from.pod, 'lo'), 'in')] : fromPod(journey, from)
  }
  if (from.isNode) return [hook('output', from.host), ...onwards(journey, from.host, [])]
  const node = entry ?? (to.kind === 'pod' ? to.node : to.host)
  return [
    hop(onHost(from.host, 'uplink'), 'out'),
    ...overRouter(journey, from.host, node),
    ...arrive(journey, node),
    hook('prerouting', node),
    ...onwards(journey, node, ['ttl']),
  ]
}

/** Whether a packet from one node to another travels in a tunnel. */
export function isTunnelled(
  { datapath = 'vxlan', routerBetween }: Pick<Journey, 'datapath' | 'routerBetween'>,
  here: string,
  there: string,
): boolean {
  if (datapath === 'mixed') return routerBetween?.(here, there) !== undefined
  return datapath === 'vxlan'
}

function fromPod(journey: Journey, from: PodEnd): readonly PathStep[] {
  const { to, redirectedOn, bridgeNetfilter } = journey
  const here = from.node
  const isFiltered = bridgeNetfilter(here)
  const start = [hop(inPod(from.pod, 'eth0'), 'out'), hop(vethOf(from), 'in')]
  const bridged = isFiltered ? [...start, hook('prerouting', here)] : start
  if (to.kind === 'pod' && to.node === here && redirectedOn === undefined) {
    return [...bridged, ...(isFiltered ? [hook('postrouting', here)] : []), ...intoPod(to)]
  }
  if (to.kind === 'pod' && to.node === here && redirectedOn === here && isFiltered) {
    return [...bridged, ...bridgedOn(here), ...intoPod(to, ['mac'])]
  }
  if (staysBridged(journey, here) && (to.kind === 'pod' || !to.isNode)) {
    const out = [...bridged, ...bridgedOn(here), hop(onHost(here, 'uplink'), 'out', [], { maybe: ['mac'] })]
    return to.kind === 'pod'
      ? [...out, ...overFlat(journey, to)]
      : [...out, ...overRouter(journey, here, to.host), hop(onHost(to.host, 'uplink'), 'in')]
  }
  const atBridge = hop(onHost(here, 'bridge'), 'in')
  return isFiltered
    ? [...bridged, atBridge, ...onwards(journey, here, ['ttl'])]
    : [...start, atBridge, hook('prerouting', here), ...onwards(journey, here, ['ttl'])]
}

/**
 * Whether a bridged frame whose destination is rewritten on `here` is bridged on: on a flat layer 2 what is left of the segment hangs on the same bridge,
 * and br_netfilter hands the frame to the new destination's port without routing it.
 */
const staysBridged = ({ datapath, redirectedOn, bridgeNetfilter }: Journey, here: string): boolean =>
  datapath === 'bridge' && redirectedOn === here && bridgeNetfilter(here)

/**
 * The frame stays a bridged one, with a new destination. It passes the bridge device only while the neighbour entry of the destination is not fresh; there it
 * bears the bridge's MAC, afterwards its own again.
 */
const bridgedOn = (here: string): readonly PathStep[] => [
  hop(onHost(here, 'bridge'), 'out', ['mac'], { isOptional: true }),
  hook('postrouting', here),
]

/** From the segment into a Pod of a flat layer 2: its node's bridge hands the frame on. */
function overFlat({ bridgeNetfilter }: Journey, to: PodEnd): readonly PathStep[] {
  const hooks = bridgeNetfilter(to.node) ? [hook('prerouting', to.node), hook('postrouting', to.node)] : []
  return [hop(onHost(to.node, 'uplink'), 'in'), ...hooks, ...intoPod(to)]
}

/** From the routing decision on `here` to the end. `routed` is what forwarding changes: nothing for the host's own packets. */
function onwards(journey: Journey, here: string, routed: readonly Change[]): readonly PathStep[] {
  const { to, redirectedOn } = journey
  if (redirectedOn !== undefined && redirectedOn !== here) {
    return [
      ...between(journey, { here, there: redirectedOn }, routed),
      hook('prerouting', redirectedOn),
      ...onwards({ ...journey, redirectedOn: undefined }, redirectedOn, ['ttl']),
    ]
  }
  if (to.kind === 'host') {
    if (to.host === here) return []
    if (to.isNode) return between(journey, { here, there: to.host }, routed)
    return [
      hook('postrouting', here),
      ...leave(journey, here, [...routed, 'mac']),
      ...overRouter(journey, here, to.host),
      hop(onHost(to.host, 'uplink'), 'in'),
    ]
  }
  const intoNode = (changes: readonly Change[]): readonly PathStep[] => [
    hook('postrouting', to.node),
    hop(onHost(to.node, 'bridge'), 'out', [...changes, 'mac']),
    ...intoPod(to),
  ]
  if (to.node === here) return intoNode(routed)
  if (journey.datapath === 'bridge') {
    return [hook('postrouting', here), ...leave(journey, here, [...routed, 'mac']), ...overFlat(journey, to)]
  }
  return [...between(journey, { here, there: to.node }, routed), hook('prerouting', to.node), ...intoNode(['ttl'])]
}

/** From the routing decision of one node to the stack of another. */
function between(
  journey: Journey,
  { here, there }: { readonly here: string; readonly there: string },
  routed: readonly Change[],
): readonly PathStep[] {
  if (!isTunnelled(journey, here, there)) {
    return [
      hook('postrouting', here),
      ...leave(journey, here, [...routed, 'mac']),
      ...overRouter(journey, here, there),
      ...arrive(journey, there),
    ]
  }
  const router = journey.routerBetween?.(here, there)
  return [
    hook('postrouting', here),
    hop(onHost(here, 'vxlan'), 'out', [...routed, 'mac']),
    hop(onHost(here, 'uplink'), 'out', ['encap']),
    // The router alters the outer headers only.
    ...(router === undefined ? [] : [hop(onHost(router, 'uplink'), 'in'), hop(onHost(router, 'uplink'), 'out')]),
    hop(onHost(there, 'uplink'), 'in'),
    hop(onHost(there, 'vxlan'), 'in', ['decap']),
  ]
}

/** Out to the segment. On a flat layer 2 the uplink is a port of the bridge. */
const leave = ({ datapath }: Journey, here: string, changed: readonly Change[]): readonly PathStep[] =>
  datapath === 'bridge'
    ? [hop(onHost(here, 'bridge'), 'out', changed), hop(onHost(here, 'uplink'), 'out')]
    : [hop(onHost(here, 'uplink'), 'out', changed)]

const arrive = ({ datapath }: Journey, there: string): readonly PathStep[] =>
  datapath === 'bridge' ? [hop(onHost(there, 'uplink'), 'in'), hop(onHost(there, 'bridge'), 'in')] : [hop(onHost(there, 'uplink'), 'in')]

function overRouter({ routerBetween }: Journey, here: string, there: string): readonly PathStep[] {
  const router = routerBetween?.(here, there)
  return router === undefined ? [] : [hop(onHost(router, 'uplink'), 'in'), hop(onHost(router, 'uplink'), 'out', ['ttl', 'mac'])]
}

const intoPod = (to: PodEnd, maybe: readonly Change[] = []): readonly PathStep[] => [
  hop(vethOf(to), 'out', [], { maybe }),
  hop(inPod(to.pod, 'eth0'), 'in'),
]

const inPod = (owner: string, port: Port): Place => ({ owner, ownerKind: 'pod', port })
const onHost = (owner: string, port: Port): Place => ({ owner, ownerKind: 'host', port })
const vethOf = ({ pod, node }: PodEnd): Place => ({ owner: node, ownerKind: 'host', port: 'veth', pod })
const hook = (name: HookStep['hook'], host: string): HookStep => ({ kind: 'hook', hook: name, host })

function hop(
  place: Place,
  dir: Direction,
  changed: readonly Change[] = [],
  { maybe = [], isOptional = false }: { readonly maybe?: readonly Change[]; readonly isOptional?: boolean } = {},
): HopStep {
  return { kind: 'hop', place, dir, changed, maybe, isOptional }
}
