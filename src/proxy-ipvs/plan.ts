import { type Cidr, cidrContains, type Ip, type IpFamily } from '../base/net/address.js'
import type { Destination, IpvsTimeouts, VirtualServer, VirtualServerKey } from '../kernel/ipvs.js'
import type { ServicePort, ServiceState } from '../service-model/service-state.js'
import { destinationId, type EntryId, type IpvsContent, mergeContents, noContent, type ServedAddress, serverId } from './ipvs-content.js'
import { type SetId, setDefinition, setIds, setName } from './object-names.js'
import { planRules } from './plan-rules.js'
import { type Ruleset, renderRules } from './render-rules.js'
import { type RenderContext, renderServicePort, weights } from './render-service-port.js'

/** A destination that takes no new connections and goes when its last one has ended. */
export interface Draining {
  readonly server: VirtualServerKey
  readonly destination: Destination
}

/** What the kernel holds: as read from it, or the state that was the last to be brought about. */
export type AppliedIpvs = ObservedIpvs | WrittenIpvs

export interface ObservedIpvs {
  readonly kind: 'observed'
  readonly localAddresses: readonly Ip[]
  readonly hasDevice: boolean
  readonly sets: ReadonlySet<SetId>
  readonly rules: Ruleset
  /** Everything there is, ours or not. */
  readonly content: Omit<IpvsContent, 'outRules'>
}

export interface WrittenIpvs {
  readonly kind: 'written'
  readonly localAddresses: readonly Ip[]
  readonly state: ServiceState
  readonly draining: readonly Draining[]
}

/** One thing to do. There is no transaction over IPVS, sets, rules and addresses, so a plan is a list in an order that lets no connection fall between. */
export type IpvsStep =
  | { readonly do: 'set parameter'; readonly key: string; readonly value: string }
  | { readonly do: 'set timeouts'; readonly timeouts: IpvsTimeouts }
  | { readonly do: 'add device' | 'delete device' }
  | { readonly do: 'restore sets' | 'restore rules'; readonly text: string }
  | { readonly do: 'add server' | 'change server'; readonly server: VirtualServer }
  | { readonly do: 'delete server'; readonly server: VirtualServerKey }
  | {
      readonly do: 'add destination' | 'change destination' | 'delete destination'
      readonly server: VirtualServerKey
      readonly destination: Destination
    }
  /** Deletes the destination if it has no connection. */
  | ({ readonly do: 'delete when idle' } & Draining)
  | { readonly do: 'add address' | 'delete address'; readonly address: Ip }

export interface IpvsPlan {
  readonly steps: readonly IpvsStep[]
  /** Whether UDP flows may have to be cut off: conntrack would keep sending them where no endpoint is any more. */
  readonly cutsUdp: boolean
  /** What the kernel then stands for; undefined: nothing of ours is left. */
  readonly desired: ServiceState | undefined
  readonly localAddresses: readonly Ip[]
}

export interface IpvsPlanOptions {
  readonly family: IpFamily
  readonly scheduler: string
  /** Virtual servers at these addresses are somebody else's whatever they look like. */
  readonly excludeCidrs: readonly Cidr[]
  /** Answer ARP for an address only on the interface that has it, so that nobody takes the Service device's addresses for the node's. */
  readonly strictArp: boolean
  /** 0 leaves the kernel's own. */
  readonly timeouts: IpvsTimeouts
}

/** Makes the planner of one node. What it remembers of unchanged ports only saves time. */
export function ipvsPlanner(options: IpvsPlanOptions): (desired: ServiceState | undefined, applied: AppliedIpvs) => IpvsPlan {
  const rendered = createRenderer(options)

  return (desired, applied) => {
    const partly = applied.kind === 'written' && desired !== undefined ? planChanges(applied, desired) : undefined
    return partly ?? planWhole(desired, applied, rendered, options)
  }

  function planChanges({ state, localAddresses, draining }: WrittenIpvs, desired: ServiceState): IpvsPlan | undefined {
    const { node } = desired
    const changed = changedPorts(state, desired)
    if (changed === undefined) return undefined
    if (changed.length === 0) return { steps: draining.map(whenIdle), cutsUdp: false, desired, localAddresses }
    const contentOf = rendered(node, localAddresses)
    const before = changed.flatMap(({ before }) => (before === undefined ? [] : [contentOf(before)]))
    const after = changed.flatMap(({ after }) => (after === undefined ? [] : [contentOf(after)]))
    const keys = new Set(changed.flatMap(({ before, after }) => [before?.key, after?.key]))
    const others = [...desired.ports.values()].filter(port => !keys.has(port.key)).map(contentOf)
    const [held, wanted] = [mergeContents(before), mergeContents(after)]
    const touched = new Set([...held.servers.keys(), ...wanted.servers.keys()])
    // Two Services at one address and port: who has it can be told only from all.
    if (before.concat(after).reduce((sum, part) => sum + part.servers.size, 0) !== sumOfSizes(held, wanted)) return undefined
    if (others.some(({ servers }) => [...servers.keys()].some(id => touched.has(id)))) return undefined
    const outRules = (own: IpvsContent) => [...others.flatMap(({ outRules }) => outRules), ...own.outRules]
    const rulesDiffer = held.outRules.join() !== wanted.outRules.join()
    return {
      steps: stepsBetween({
        held: { ...withoutShared(held, others), draining: draining.filter(({ server }) => touched.has(serverId(server))) },
        wanted: withoutShared(wanted, others),
        ruleText: rulesDiffer ? planRules(renderRules(node, outRules(held)), renderRules(node, outRules(wanted))) : '',
        before: [],
        after: draining.filter(({ server }) => !touched.has(serverId(server))).map(whenIdle),
        isOurs: () => true,
        family: node.family,
        missingSets: [],
      }),
      cutsUdp: changed.some(({ before, after }) => before?.protocol === 'udp' || after?.protocol === 'udp'),
      desired,
      localAddresses,
    }
  }
}

type ContentOf = (port: ServicePort) => IpvsContent

/** Renders each port once for the same node and addresses. */
function createRenderer({ scheduler }: IpvsPlanOptions): (node: ServiceState['node'], localAddresses: readonly Ip[]) => ContentOf {
  let context: RenderContext | undefined
  let known = new WeakMap<ServicePort, IpvsContent>()
  return (node, localAddresses) => {
    if (context === undefined || context.node !== node || context.localAddresses !== localAddresses) {
      context = { node, localAddresses, scheduler }
      known = new WeakMap()
    }
    const own = { context, known }
    return port => {
      const found = own.known.get(port) ?? renderServicePort(port, own.context)
      own.known.set(port, found)
      return found
    }
  }
}

function planWhole(
  desired: ServiceState | undefined,
  applied: AppliedIpvs,
  rendered: ReturnType<typeof createRenderer>,
  options: IpvsPlanOptions,
): IpvsPlan {
  const { localAddresses } = applied
  const contentOf = (state: ServiceState): IpvsContent => mergeContents([...state.ports.values()].map(rendered(state.node, localAddresses)))
  const { family } = options
  const wanted = desired === undefined ? noContent : contentOf(desired)
  const rules = desired && renderRules(desired.node, wanted.outRules)
  const held =
    applied.kind === 'observed'
      ? { ...applied.content, outRules: [], draining: [] }
      : { ...contentOf(applied.state), draining: applied.draining }
  const heldRules = applied.kind === 'observed' ? applied.rules : renderRules(applied.state.node, held.outRules)
  const sets = applied.kind === 'observed' ? applied.sets : new Set(setIds)
  const hasDevice = applied.kind === 'written' || applied.hasDevice
  const isOurs =
    applied.kind === 'written'
      ? () => true
      : (server: VirtualServerKey) => isServed(server, applied.content.entries) && !isExcluded(server, options)
  const steps = stepsBetween({
    held,
    wanted,
    ruleText: planRules(heldRules, rules),
    before: desired === undefined ? [] : [...settings(options, applied), ...(hasDevice ? [] : [{ do: 'add device' } as const])],
    after: desired !== undefined ? [] : [...destroyed([...sets], family), ...(hasDevice ? [{ do: 'delete device' } as const] : [])],
    isOurs,
    family,
    missingSets: desired === undefined ? [] : setIds.filter(id => !sets.has(id)),
    flushesSets: desired === undefined,
  })
  return { steps, cutsUdp: true, desired, localAddresses }
}

/** The kernel's parameters for IPVS as kube-proxy sets them. `conn_reuse_mode` is right by itself since Linux 5.9. */
function settings({ strictArp, timeouts }: IpvsPlanOptions, { kind }: AppliedIpvs): readonly IpvsStep[] {
  if (kind === 'written') return []
  const parameters = {
    // Connections of IPVS are conntrack's too, so that POSTROUTING can masquerade them.
    'net/ipv4/vs/conntrack': '1',
    'net/ipv4/vs/expire_nodest_conn': '1',
    'net/ipv4/vs/expire_quiescent_template': '1',
    'net/ipv4/ip_forward': '1',
    ...(strictArp ? { 'net/ipv4/conf/all/arp_ignore': '1', 'net/ipv4/conf/all/arp_announce': '2' } : {}),
  }
  const hasTimeouts = Object.values(timeouts).some(seconds => seconds > 0)
  return [
    ...Object.entries(parameters).map(([key, value]) => ({ do: 'set parameter', key, value }) as const),
    ...(hasTimeouts ? [{ do: 'set timeouts', timeouts } as const] : []),
  ]
}

interface Difference {
  readonly held: Omit<IpvsContent, 'outRules'> & { readonly draining: readonly Draining[] }
  readonly wanted: Omit<IpvsContent, 'outRules'>
  readonly ruleText: string
  readonly before: readonly IpvsStep[]
  readonly after: readonly IpvsStep[]
  readonly isOurs: (server: VirtualServerKey) => boolean
  readonly family: IpFamily
  readonly missingSets: readonly SetId[]
  /** True: the sets go as a whole, so their entries need not go one by one. */
  readonly flushesSets?: boolean
}

/**
 * What is new is whole before anything leads to it: sets, rules, virtual servers with their destinations, and last the address that makes packets come.
 * What goes loses its address first. Sets know a virtual server as long as it is there: by them its owner is told.
 */
function stepsBetween(difference: Difference): readonly IpvsStep[] {
  const { held, wanted, ruleText, before, after, isOurs, family, missingSets, flushesSets = false } = difference
  const added = [...wanted.entries].filter(entry => !held.entries.has(entry))
  const removed = flushesSets ? [] : [...held.entries].filter(entry => !wanted.entries.has(entry))
  const changes = [...wanted.servers.values()].map(served => changesOf(served, held.servers.get(serverId(served.server)), held.draining))
  const gone = [...held.servers].filter(([id, { server }]) => !wanted.servers.has(id) && isOurs(server)).map(([, { server }]) => server)
  return [
    ...before,
    ...restoreSets([
      ...missingSets.map(id => `create ${setName(id, family)} ${setDefinition(id, family)}`),
      ...added.map(setLine('add', family)),
    ]),
    ...(ruleText === '' || flushesSets ? [] : [{ do: 'restore rules', text: ruleText } as const]),
    ...changes.flatMap(({ more }) => more),
    ...[...wanted.addresses].filter(ip => !held.addresses.has(ip)).map(address => ({ do: 'add address', address }) as const),
    ...[...held.addresses].filter(ip => !wanted.addresses.has(ip)).map(address => ({ do: 'delete address', address }) as const),
    ...changes.flatMap(({ less }) => less),
    ...gone.map(server => ({ do: 'delete server', server }) as const),
    ...(ruleText !== '' && flushesSets ? [{ do: 'restore rules', text: ruleText } as const] : []),
    // A firewall goes before the ranges it lets in.
    ...restoreSets(removed.reverse().map(setLine('del', family))),
    ...after,
  ]
}

const restoreSets = (lines: readonly string[]): readonly IpvsStep[] =>
  lines.length === 0 ? [] : [{ do: 'restore sets', text: `${lines.join('\n')}\n` }]

const setLine =
  (verb: 'add' | 'del', family: IpFamily) =>
  (entry: EntryId): string => {
    const space = entry.indexOf(' ')
    return `${verb} ${setName(entry.slice(0, space) as SetId, family)} ${entry.slice(space + 1)}`
  }

const destroyed = (sets: readonly SetId[], family: IpFamily): readonly IpvsStep[] =>
  restoreSets(sets.map(id => `destroy ${setName(id, family)}`))

const whenIdle = (draining: Draining): IpvsStep => ({ do: 'delete when idle', ...draining })

/** What comes and what goes of one virtual server. TCP connections outlive their destination's removal: it drains; others have no end that IPVS could see. */
function changesOf(served: ServedAddress, held: ServedAddress | undefined, draining: readonly Draining[]) {
  const { server, destinations } = served
  const own = draining.filter(entry => serverId(entry.server) === serverId(server)).map(({ destination }) => destination)
  const there = new Map([...own.map(destination => [destinationId(destination), destination] as const), ...(held?.destinations ?? [])])
  const more: IpvsStep[] = []
  const less: IpvsStep[] = []
  if (held === undefined) more.push({ do: 'add server', server })
  else if (!sameServer(held.server, server)) more.push({ do: 'change server', server })
  for (const [id, destination] of destinations) {
    const known = there.get(id)
    if (known === undefined) more.push({ do: 'add destination', server, destination })
    else if (known.weight !== destination.weight) more.push({ do: 'change destination', server, destination })
  }
  for (const [id, destination] of there) {
    if (destinations.has(id)) continue
    if (server.protocol !== 'tcp') less.push({ do: 'delete destination', server, destination })
    else {
      const drained = { ...destination, weight: weights.drained }
      if (destination.weight !== weights.drained) less.push({ do: 'change destination', server, destination: drained })
      less.push({ do: 'delete when idle', server, destination: drained })
    }
  }
  return { more, less }
}

const sameServer = (a: VirtualServer, b: VirtualServer): boolean =>
  a.scheduler === b.scheduler && a.hashesPort === b.hashesPort && a.persistenceSeconds === b.persistenceSeconds

/** Whether the sets say that a virtual server is one of ours, or of a kube-proxy before us. */
function isServed({ protocol, address, port }: VirtualServerKey, entries: ReadonlySet<EntryId>): boolean {
  const at = `${address},${protocol}:${port}`
  const sets: readonly SetId[] = ['CLUSTER-IP', 'EXTERNAL-IP', 'EXTERNAL-IP-LOCAL', 'LOAD-BALANCER']
  if (sets.some(id => entries.has(`${id} ${at}`))) return true
  if (protocol === 'sctp') return entries.has(`NODE-PORT-SCTP-HASH ${at}`)
  return entries.has(`${protocol === 'tcp' ? 'NODE-PORT-TCP' : 'NODE-PORT-UDP'} ${port}`)
}

const isExcluded = ({ address }: VirtualServerKey, { excludeCidrs }: IpvsPlanOptions): boolean =>
  excludeCidrs.some(cidr => cidrContains(cidr, address))

interface PortChange {
  readonly before: ServicePort | undefined
  readonly after: ServicePort | undefined
}

/** With more changes than this, comparing whole states costs less. */
const maxSingly = 256

/** The ports that differ; undefined when the whole must be compared. */
function changedPorts(from: ServiceState, to: ServiceState): readonly PortChange[] | undefined {
  if (from.node !== to.node) return undefined
  if (from === to) return []
  const changes: PortChange[] = []
  for (const [key, after] of to.ports) {
    const before = from.ports.get(key)
    if (before !== after) changes.push({ before, after })
  }
  for (const [key, before] of from.ports) if (!to.ports.has(key)) changes.push({ before, after: undefined })
  return changes.length > maxSingly ? undefined : changes
}

const sumOfSizes = (held: IpvsContent, wanted: IpvsContent): number => held.servers.size + wanted.servers.size

/** Without what other ports hold as well: it is there before and after. */
function withoutShared(content: IpvsContent, others: readonly IpvsContent[]): Omit<IpvsContent, 'outRules'> {
  const entries = new Set(content.entries)
  const addresses = new Set(content.addresses)
  for (const other of others) {
    for (const entry of content.entries) if (other.entries.has(entry)) entries.delete(entry)
    for (const address of content.addresses) if (other.addresses.has(address)) addresses.delete(address)
  }
  return { servers: content.servers, entries, addresses }
}
