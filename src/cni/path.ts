import type { Change, Direction, HookStep, HopStep, Journey, PathEnd, PathStep, Place, Port } from '../base/net/path.js'

type PodEnd = Extract<PathEnd, { kind: 'pod' }>

/**
 * The way of one packet over the VXLAN datapath: a bridge on each node, one VXLAN device between the nodes.
 *
 * On one node a frame is bridged: TTL and addresses stay, and a capture that is not promiscuous sees nothing at the bridge itself.
 * Between nodes a packet is routed on both, so its TTL falls by two.
 */
export function vxlanPath(journey: Journey): readonly PathStep[] {
  const { from, to, redirectedOn, entry } = journey
  if (from.kind === 'pod') {
    const isToItself = to.kind === 'pod' && to.pod === from.pod && redirectedOn === undefined
    return isToItself ? [hop(inPod(from.pod, 'lo'), 'in')] : fromPod(journey, from)
  }
  if (from.isNode) return [hook('output', from.host), ...onwards(journey, from.host, [])]
  const node = entry ?? (to.kind === 'pod' ? to.node : to.host)
  return [
    hop(onHost(from.host, 'uplink'), 'out'),
    hop(onHost(node, 'uplink'), 'in'),
    hook('prerouting', node),
    ...onwards(journey, node, ['ttl']),
  ]
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
    // The frame stays a bridged one, with a new destination. It passes the bridge device only while the neighbour entry of the Pod is not fresh;
    // there it bears the bridge's MAC, afterwards its own again.
    return [
      ...bridged,
      hop(onHost(here, 'bridge'), 'out', ['mac'], { isOptional: true }),
      hook('postrouting', here),
      ...intoPod(to, ['mac']),
    ]
  }
  const atBridge = hop(onHost(here, 'bridge'), 'in')
  return isFiltered
    ? [...bridged, atBridge, ...onwards(journey, here, ['ttl'])]
    : [...start, atBridge, hook('prerouting', here), ...onwards(journey, here, ['ttl'])]
}

/** From the routing decision on `here` to the end. `routed` is what forwarding changes: nothing for the host's own packets. */
function onwards(journey: Journey, here: string, routed: readonly Change[]): readonly PathStep[] {
  const { to, redirectedOn } = journey
  if (redirectedOn !== undefined && redirectedOn !== here) {
    return [
      ...throughTunnel(here, redirectedOn, routed),
      hook('prerouting', redirectedOn),
      ...onwards({ ...journey, redirectedOn: undefined }, redirectedOn, ['ttl']),
    ]
  }
  if (to.kind === 'host') {
    if (to.host === here) return []
    if (to.isNode) return throughTunnel(here, to.host, routed)
    return [hook('postrouting', here), hop(onHost(here, 'uplink'), 'out', [...routed, 'mac']), hop(onHost(to.host, 'uplink'), 'in')]
  }
  const intoNode = (changes: readonly Change[]): readonly PathStep[] => [
    hook('postrouting', to.node),
    hop(onHost(to.node, 'bridge'), 'out', [...changes, 'mac']),
    ...intoPod(to),
  ]
  if (to.node === here) return intoNode(routed)
  return [...throughTunnel(here, to.node, routed), hook('prerouting', to.node), ...intoNode(['ttl'])]
}

const throughTunnel = (here: string, there: string, routed: readonly Change[]): readonly PathStep[] => [
  hook('postrouting', here),
  hop(onHost(here, 'vxlan'), 'out', [...routed, 'mac']),
  hop(onHost(here, 'uplink'), 'out', ['encap']),
  hop(onHost(there, 'uplink'), 'in'),
  hop(onHost(there, 'vxlan'), 'in', ['decap']),
]

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
