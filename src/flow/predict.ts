import { PodwireError } from '../base/errors/podwire-error.js'
import { commonPrefixLength, parseIp } from '../base/net/address.js'
import type { Headers, HopStep, Journey, PathEnd, PathStep } from '../base/net/path.js'
import { datapathPath, isTunnelled } from '../cni/path.js'
import { translateService, untranslated } from '../service-model/translation-path.js'
import { nodeOfBound } from './bind.js'
import type { BoundHost, BoundPod, BoundService } from './bound.js'
import type { ExpectedConntrack, ExpectedHop, ForbiddenHop } from './expectation.js'
import { type HostFacts, type InterfaceFacts, type LabFacts, routerBetween } from './lab-facts.js'
import type { WrittenExpectation } from './resolve-expectation.js'
import { type RoleContext, roleOf } from './roles.js'

/** One exchange as the cluster's objects explain it. */
export interface PredictedFlow {
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'icmpv6'
  readonly client: BoundPod | BoundHost
  readonly sourcePort: number | undefined
  /** Where it is sent: an address and, but for ICMP, a port. */
  readonly target: { readonly ip: string; readonly port: number | undefined }
  /** The Service it is sent to, by ClusterIP or through a node's port. */
  readonly service: BoundService | undefined
  /** Of a NodePort: the node that is asked. */
  readonly door: string | undefined
  /** The Pod that takes it; undefined when the Service has no endpoints. */
  readonly server: BoundPod | undefined
  readonly serverPort: number | undefined
}

const initialTtl = 64

const isLoopback = (ip: string): boolean => ip.startsWith('127.') || ip === '::1'

/** Both have their rules at the same hooks of netfilter, and conntrack does the rest. */
const isTranslatedAtHooks = (proxy: string): boolean => proxy === 'iptables' || proxy === 'nftables'

/** The ordered hops there and back under this lab's facts, and what follows of them: conntrack entries and places that must not see it. */
export function predict(
  flow: PredictedFlow,
  context: RoleContext,
  leg: { readonly name: string; readonly exchange: number },
): WrittenExpectation {
  const { facts } = context
  if (flow.service !== undefined && !isTranslatedAtHooks(facts.proxy)) {
    throw new PodwireError('KERNEL_UNSUPPORTED', `no path is known for Services by proxy ${facts.proxy}`)
  }
  const { client, server, service } = flow
  const clientEnd = endOf(client)
  const entry = nodeOfBound(client) ?? flow.door
  const bridgeNetfilter = (node: string): boolean => facts.hosts.get(node)?.isBridgeFiltered ?? false
  const travel = (journey: Pick<Journey, 'from' | 'to' | 'redirectedOn' | 'entry'>): readonly PathStep[] =>
    datapathPath({ ...journey, bridgeNetfilter, datapath: facts.datapath, routerBetween: routerBetween(facts) })

  if (server === undefined) {
    const end: PathEnd = { kind: 'host', host: entry!, isNode: true }
    const path = untranslated(travel({ from: clientEnd, to: end, entry }))
    // The host's own answer: it passes no translation, and of the output hooks nothing is seen.
    const reply = untranslated(travel({ from: end, to: clientEnd }))
    const rejecting = client.kind === 'pod' ? addressTowards(facts.hosts.get(entry!)?.bridge, client.ip) : facts.hosts.get(entry!)?.address
    const answer = {
      ...(rejecting !== undefined && { src: rejecting }),
      dst: client.ip,
      proto: facts.family === 6 ? ('icmpv6' as const) : ('icmp' as const),
      ttl: initialTtl,
    }
    return {
      legs: [
        {
          ...leg,
          path: dress(path, requestOf(flow, context), { flow, isReply: false, context }),
          reply: dress(reply, answer, { flow, isReply: true, context }),
          isStrict: true,
        },
      ],
      never: flow.door === undefined ? [neverOnUplink({ dst: flow.target.ip }, 'a ClusterIP is virtual')] : [],
      conntrack: [],
    }
  }
  const serverEnd = endOf(server)
  const isMasqueraded = service !== undefined && (isMasqueradedAtDoor(flow) || client.key === server.key || facts.masqueradeAll)
  const translation = service && { host: entry!, isMasqueraded }
  const there = travel({ from: clientEnd, to: serverEnd, entry, redirectedOn: translation?.host })
  const back = travel({ from: serverEnd, to: clientEnd, redirectedOn: isMasqueraded ? entry : undefined })
  const path = translation ? translateService(there, translation, 'path') : untranslated(there)
  const reply = translation ? translateService(back, translation, 'reply') : untranslated(back)
  const dressedPath = dress(path, requestOf(flow, context), { flow, isReply: false, context })
  const seenSource = dressedPath.at(-1)?.see.src ?? client.ip
  return {
    legs: [
      {
        ...leg,
        path: dressedPath,
        reply: dress(reply, answerOf(flow, seenSource, isMasqueraded), { flow, isReply: true, context }),
        isStrict: true,
      },
    ],
    never: forbidden(flow, context),
    conntrack: translation === undefined ? [] : [trackedAs(flow, translation.host, seenSource, isMasqueraded)],
  }
}

/** A node port takes its clients' address unless it leads to its own node only; so does a ClusterIP that no Pod asks. */
const isMasqueradedAtDoor = ({ door, service, client }: PredictedFlow): boolean =>
  door === undefined ? client.kind === 'host' : service?.isLocalOutside !== true

const endOf = (bound: BoundPod | BoundHost): PathEnd =>
  bound.kind === 'pod'
    ? { kind: 'pod', pod: bound.key, node: bound.node }
    : { kind: 'host', host: bound.key, isNode: bound.role === 'node' }

function requestOf({ protocol, client, sourcePort, target, server, service }: PredictedFlow, { facts }: RoleContext): Headers {
  const isLocal = isLoopback(target.ip)
  const staysInside = client.key === server?.key && service === undefined
  const mac = client.kind === 'pod' ? client.mac : client.role === 'external' ? facts.hosts.get(client.key)?.uplink?.mac : undefined
  return {
    // A node's own packet has the address of the interface it leaves by; that is not predicted here.
    ...(client.kind === 'pod' ? { src: isLocal ? target.ip : client.ip } : client.role === 'external' ? { src: client.ip } : {}),
    dst: target.ip,
    proto: protocol,
    ttl: initialTtl,
    ...(sourcePort !== undefined && { sport: sourcePort }),
    ...(target.port !== undefined && { dport: target.port }),
    ...(protocol === 'tcp' && { flags: 'SYN' }),
    ...(mac !== undefined && !staysInside && { ethSrc: mac }),
  }
}

function answerOf(
  { protocol, client, sourcePort, target, server, serverPort, service }: PredictedFlow,
  seenSource: string,
  isMasqueraded: boolean,
): Headers {
  const isLocal = isLoopback(target.ip)
  const isNode = client.kind === 'host' && client.role === 'node'
  return {
    src: isLocal ? target.ip : server!.ip,
    ...(isLocal ? { dst: target.ip } : isMasqueraded || !isNode ? { dst: seenSource } : {}),
    proto: protocol,
    ttl: initialTtl,
    ...(serverPort !== undefined && { sport: serverPort }),
    ...(sourcePort !== undefined && !isMasqueraded && { dport: sourcePort }),
    ...(protocol === 'tcp' && { flags: 'SYN-ACK' }),
    ...((client.key !== server!.key || service !== undefined) && { ethSrc: server!.mac }),
  }
}

interface Direction {
  readonly flow: PredictedFlow
  readonly isReply: boolean
  readonly context: RoleContext
}

/** Gives the places the headers they must show: the first packet's, altered by what each hop changes. */
function dress(steps: readonly HopStep[], first: Headers, direction: Direction): readonly ExpectedHop[] {
  const { context } = direction
  let current: Headers = first
  let isFirst = true
  return steps.map(step => {
    const before = current
    const next = isFirst ? current : advance(current, step, direction)
    isFirst = false
    if (!step.isOptional) current = next
    return {
      at: roleOf(step.place, context),
      place: { owner: step.place.owner, port: step.place.port, ...(step.place.pod !== undefined && { pod: step.place.pod }) },
      dir: step.dir,
      see: next,
      changed: visibleChanges(step, before, next),
      why: undefined,
      isOptional: step.isOptional,
      where: `prediction for ${context.facts.datapath} and ${context.facts.proxy}`,
    }
  })
}

/**
 * A rewrite that writes what was there already (a Service port equal to the target's) changes nothing; one whose result is not known, as the
 * port of a masqueraded source, may happen to.
 */
function visibleChanges({ changed, maybe }: HopStep, before: Headers, next: Headers): NonNullable<ExpectedHop['changed']> {
  const rewritten = (['src', 'dst', 'sport', 'dport'] as const).filter(key => changed.includes(key))
  const equal = rewritten.filter(key => before[key] === next[key])
  const open = rewritten.filter(key => next[key] === undefined)
  return { must: changed.filter(change => ![...equal, ...open].some(key => key === change)), may: [...maybe, ...open] }
}

/** The headers after a hop's changes; what cannot be known beforehand, as the port of a masqueraded source, is left open. */
function advance(before: Headers, { place, dir, changed, maybe }: HopStep, { flow, isReply, context: { facts } }: Direction): Headers {
  const { src, dst, sport, dport, ttl, ethSrc, outer, ...rest } = before
  const { client, server, serverPort, target, sourcePort } = flow
  const host = facts.hosts.get(place.owner)
  const known = <K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } =>
    value === undefined ? {} : ({ [key]: value } as { [P in K]?: V })
  const isTo = (end: BoundPod | BoundHost | undefined, port: number | undefined) => ({ ...known('dst', end?.ip), ...known('dport', port) })
  const turned = changed.includes('dst')
    ? isReply
      ? isTo(client, sourcePort)
      : isTo(server, serverPort)
    : { ...known('dst', dst), ...known('dport', dport) }
  const from = changed.includes('src')
    ? isReply
      ? { src: target.ip, ...known('sport', target.port) }
      : known('src', masqueradeAddress(place.port, host, facts, flow))
    : { ...known('src', src), ...known('sport', sport) }
  const mac = changed.includes('mac') ? macOf(place.port, host) : maybe.includes('mac') ? undefined : ethSrc
  const isInTunnel = changed.includes('encap') || (outer !== undefined && !changed.includes('decap'))
  return {
    ...rest,
    ...turned,
    ...from,
    ...known('ttl', ttl === undefined ? undefined : changed.includes('ttl') ? ttl - 1 : ttl),
    ...known('ethSrc', mac),
    ...(isInTunnel && { outer: outer === undefined ? outerFrom(host, turned.dst ?? dst, facts) : outerAfter(outer, host, dir) }),
  }
}

/** A router between segments forwards the outer packet. */
const outerAfter = (
  outer: NonNullable<Headers['outer']>,
  host: HostFacts | undefined,
  dir: HopStep['dir'],
): NonNullable<Headers['outer']> =>
  host?.role === 'router' && dir === 'out' && outer.ttl !== undefined ? { ...outer, ttl: outer.ttl - 1 } : outer

const macOf = (port: string, host: HostFacts | undefined): string | undefined =>
  host?.role === 'router'
    ? undefined
    : port === 'bridge'
      ? host?.bridge?.mac
      : port === 'vxlan'
        ? host?.vxlan?.mac
        : port === 'uplink'
          ? host?.uplink?.mac
          : undefined

/** MASQUERADE takes the address of the interface the packet leaves by; towards a Pod of the same node that is the bridge. */
function masqueradeAddress(port: string, host: HostFacts | undefined, facts: LabFacts, flow: PredictedFlow): string | undefined {
  if (port === 'vxlan') return host?.vxlan?.addresses[0]
  if (port === 'uplink') return host?.address
  const node = host ?? facts.hosts.get(flow.server?.node ?? '')
  return addressTowards(node?.bridge, flow.server?.ip)
}

/** On a flat layer 2 the bridge has the node's address too: IPv6 takes the one that has most in common with the destination (RFC 6724, rule 8), IPv4 the first. */
function addressTowards(link: InterfaceFacts | undefined, destination: string | undefined): string | undefined {
  const [first, ...others] = link?.addresses ?? []
  if (first === undefined || destination === undefined || !destination.includes(':')) return first
  const shared = (address: string): number => commonPrefixLength(parseIp(address), parseIp(destination))
  return others.reduce((best, address) => (shared(address) > shared(best) ? address : best), first)
}

/** The tunnel's headers as its first node writes them; the other end is the node that has the destination. */
function outerFrom(host: HostFacts | undefined, dst: string | undefined, facts: LabFacts): NonNullable<Headers['outer']> {
  const others = [...facts.hosts.values()].filter(({ role, name }) => role === 'node' && name !== host?.name)
  const there = others.find(
    ({ vxlan, bridge, attachments }) =>
      dst !== undefined &&
      (vxlan?.addresses.includes(dst) ||
        bridge?.addresses.includes(dst) ||
        attachments.some(({ addresses }) => addresses.some(each => each.split('/')[0] === dst))),
  )
  return {
    proto: 'udp',
    dport: 4789,
    ...(host && { src: host.tunnelAddress }),
    ...(there && { dst: there.tunnelAddress }),
    ...(host?.vxlan?.vni !== undefined && { vni: host.vxlan.vni }),
    ttl: initialTtl,
  }
}

function forbidden(flow: PredictedFlow, context: RoleContext): readonly ForbiddenHop[] {
  const { client, server, service, target } = flow
  const rules: ForbiddenHop[] = []
  if (client.kind === 'pod' && server !== undefined) {
    const between = { datapath: context.facts.datapath, routerBetween: routerBetween(context.facts) }
    const see = { src: client.ip, dst: server.ip }
    if (isTunnelled(between, client.node, server.node)) {
      rules.push(neverOnUplink(see, 'no Pod address travels the underlay without an outer header'))
    } else {
      rules.push({ ...neverOnUplink(see, 'these nodes need no tunnel'), at: '*:vxlan', place: { owner: '*', port: 'vxlan' } })
    }
  }
  if (service?.ip !== undefined && target.ip === service.ip) rules.push(neverOnUplink({ dst: service.ip }, 'a ClusterIP is virtual'))
  if (client.kind === 'pod' && service !== undefined && server !== undefined && server.key !== client.key) {
    const at = roleOf({ owner: client.key, ownerKind: 'pod', port: 'eth0' }, context)
    const why = 'the reply skipped conntrack (br_netfilter off?); the client would answer RST'
    rules.push({
      at,
      place: { owner: client.key, port: 'eth0' },
      dir: 'in',
      see: { src: server.ip, proto: flow.protocol, ...portOf(flow) },
      why,
      where: 'preset',
    })
  }
  if (flow.door !== undefined && server !== undefined && isMasqueradedAtDoor(flow)) {
    const at = roleOf({ owner: server.key, ownerKind: 'pod', port: 'eth0' }, context)
    rules.push({
      at,
      place: { owner: server.key, port: 'eth0' },
      dir: undefined,
      see: { src: client.ip },
      why: 'the source of a NodePort connection is masqueraded, or the reply would leave by another node',
      where: 'preset',
    })
  }
  return rules
}

const portOf = ({ sourcePort }: PredictedFlow): { dport?: number } => (sourcePort === undefined ? {} : { dport: sourcePort })

const neverOnUplink = (see: ForbiddenHop['see'], why: string): ForbiddenHop => ({
  at: '*:uplink',
  place: { owner: '*', port: 'uplink' },
  dir: undefined,
  see,
  why,
  where: 'preset',
})

function trackedAs(flow: PredictedFlow, host: string, seenSource: string, isMasqueraded: boolean): ExpectedConntrack {
  const { protocol, client, sourcePort, target, server, serverPort } = flow
  const isNode = client.kind === 'host' && client.role === 'node'
  return {
    on: host,
    orig: {
      ...(!isNode && { src: client.ip }),
      dst: target.ip,
      ...(sourcePort !== undefined && { sport: sourcePort }),
      ...(target.port !== undefined && { dport: target.port }),
    },
    reply: {
      src: server!.ip,
      ...(isMasqueraded || !isNode ? { dst: seenSource } : {}),
      ...(serverPort !== undefined && { sport: serverPort }),
    },
    state: protocol === 'tcp' ? 'ASSURED' : undefined,
    nat: isMasqueraded ? ['snat', 'dnat'] : ['dnat'],
    where: 'preset',
  }
}
