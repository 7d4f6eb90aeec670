import type { CauseRecord } from '../../base/results/run-record.js'
import { toolText } from '../explain/evidence.js'
import type { HostFacts } from '../lab-facts.js'
import { icmpOverhead } from '../send.js'
import { destinationOn, type FindCause, type Inquiry, linksOf, lostLeg, nodeOf, swallowedOn, sysctlOf } from './inquiry.js'

/** Causes on the way: links, bridges, routes, neighbours, tunnels. Each looks where the packet was last seen. */

/** A Pod that cannot even send: its link is down, or it has no route. */
export const podCannotSend: FindCause = async inquiry => {
  const { client, path, evidence, signal } = inquiry
  if (client.kind !== 'pod' || path.length > 0) return undefined
  const link = (await linksOf(inquiry, client)).get('eth0')
  if (link === undefined || !link.flags.includes('UP')) {
    return {
      code: 'pod-link-down',
      message: `pod ${client.key} sends nothing: its eth0 is ${link === undefined ? 'not there' : 'down'}`,
      where: `pod ${client.key}: eth0`,
      evidence: [link === undefined ? 'no eth0' : `eth0: ${link.flags.join(', ')}`],
      mend: `./podwire node ${client.node} -- ip netns list`,
    }
  }
  const target = evidence.sent.rounds[0]?.[0]?.planned.target.ip ?? ''
  const route = await toolText(client.host, ['ip', 'route', 'get', target], signal)
  if (route !== '') return undefined
  const routes = await toolText(client.host, ['ip', `-${evidence.facts.family}`, 'route'], signal)
  return {
    code: 'pod-no-route',
    message: `pod ${client.key} has no route to ${target}: it sends nothing`,
    where: `pod ${client.key}: routes`,
    evidence: routes.trim() === '' ? ['no routes'] : routes.trim().split('\n'),
    mend: `kubectl delete pod -n ${client.key.replace('/', ' ')}`,
  }
}

/** The Pod's end at the bridge: down, not a port of it, kept apart, or without hairpin. */
export const podPort: FindCause = async inquiry => {
  const { last, client, server, evidence, path } = inquiry
  for (const pod of [client, server]) {
    if (pod?.kind !== 'pod') continue
    const node = evidence.facts.hosts.get(pod.node)
    const wasThere = path.some(({ owner }) => owner === pod.key)
    const isConcerned = last?.owner === pod.key || (last?.host === pod.node && (pod === server || last?.place?.pod === pod.key))
    if (node === undefined || (pod === server && wasThere && client.key !== server?.key) || !isConcerned) continue
    const link = (await linksOf(inquiry, node)).get(pod.veth)
    const where = `${node.name}: ${pod.veth}`
    const at = { where, mend: `./podwire node ${node.name} -- ip -d link show ${pod.veth}` }
    if (link === undefined || !link.flags.includes('UP')) {
      const message = `the host's end of pod ${pod.key}, ${pod.veth} on ${node.name}, is ${link === undefined ? 'gone' : 'down'}`
      return { code: 'veth-down', message, evidence: [link === undefined ? 'no such link' : link.flags.join(', ')], ...at }
    }
    if (node.bridge !== undefined && link.master === undefined) {
      return {
        code: 'veth-off-bridge',
        message: `${pod.veth}, the end of pod ${pod.key} on ${node.name}, is no port of the bridge ${node.bridge.name}`,
        evidence: ['master: none'],
        ...at,
        mend: `./podwire node ${node.name} -- ip link set ${pod.veth} master ${node.bridge.name}`,
      }
    }
    const { hairpin, isolated } = link.linkinfo?.info_slave_data ?? {}
    if (client.key === server?.key && hairpin === false) {
      return {
        code: 'hairpin-off',
        message: `pod ${pod.key} asks itself through a Service, and the bridge does not send a frame back by the port it came from: hairpin is off at ${pod.veth} on ${node.name}`,
        evidence: ['hairpin off'],
        ...at,
        mend: `./podwire node ${node.name} -- ip link set ${pod.veth} type bridge_slave hairpin on`,
      }
    }
    if (isolated === true) {
      return {
        code: 'port-isolated',
        message: `the bridge keeps ${pod.veth}, the port of pod ${pod.key} on ${node.name}, apart from its other ports`,
        evidence: ['isolated on'],
        ...at,
        mend: `./podwire node ${node.name} -- ip link set ${pod.veth} type bridge_slave isolated off`,
      }
    }
  }
  return undefined
}

const forwardingSysctl = { 4: 'net.ipv4.ip_forward', 6: 'net.ipv6.conf.all.forwarding' } as const

/** A node that got the packet and does not forward it: forwarding off, no route, a route that refuses, the reverse path. */
export const notForwarded: FindCause = async inquiry => {
  const { last, client, server } = inquiry
  const node = swallowedOn(inquiry)
  if (node === undefined || last === undefined) return undefined
  const forwarding = forwardingSysctl[inquiry.evidence.facts.family]
  if ((await sysctlOf(inquiry, node, forwarding)) === '0') {
    return {
      code: 'forwarding-off',
      message: `${node.name} is no router: ${forwarding} is 0, so it takes the packet and forwards it nowhere`,
      where: `${node.name}: ${forwarding}`,
      evidence: [`${forwarding} = 0`],
      mend: `./podwire node ${node.name} -- sysctl -w ${forwarding}=1`,
    }
  }
  const down = await bridgeDown(inquiry, node)
  if (down !== undefined) return down
  const source = last.headers.src ?? ''
  const filtered = await reversePath(inquiry, node, source)
  if (filtered !== undefined) return filtered
  const dst = destinationOn(inquiry, node, lostLeg(inquiry)) ?? ''
  const route = await inquiry.lookups.route(node.name, dst)
  const [type = ''] = route?.split(' ') ?? []
  const refuses = ['unreachable', 'blackhole', 'prohibit'].includes(type)
  if (route === undefined || refuses) {
    return {
      code: refuses ? 'route-refuses' : 'no-route',
      message: route === undefined ? `${node.name} has no route to ${dst}` : `the route of ${node.name} to ${dst} refuses it: ${route}`,
      where: `${node.name}: routes`,
      evidence: [route ?? 'no route'],
      mend: `./podwire node ${node.name} -- ip route`,
    }
  }
  const lost = await lostRoute(inquiry, node, dst)
  if (lost !== undefined) return lost
  return neighbourCause(inquiry, node, { dst, route, pods: [client, server] })
}

async function bridgeDown(inquiry: Inquiry, node: HostFacts): Promise<CauseRecord | undefined> {
  const links = await linksOf(inquiry, node)
  for (const known of [node.bridge, node.vxlan]) {
    const link = known && links.get(known.name)
    if (known !== undefined && (link === undefined || !link.flags.includes('UP'))) {
      return {
        code: known === node.bridge ? 'bridge-down' : 'vxlan-down',
        message: `${known.name} of ${node.name} is ${link === undefined ? 'gone' : 'down'}`,
        where: `${node.name}: ${known.name}`,
        evidence: [link === undefined ? 'no such link' : link.flags.join(', ')],
        mend: `./podwire node ${node.name} -- ip link set ${known.name} up`,
      }
    }
  }
  return undefined
}

/** Of IPv4 only: IPv6 has no rp_filter, only rules of netfilter that do the same. */
async function reversePath(inquiry: Inquiry, node: HostFacts, source: string): Promise<CauseRecord | undefined> {
  if (inquiry.evidence.facts.family === 6) return undefined
  const device = inquiry.last!.interface
  const values = await Promise.all(['all', device].map(name => sysctlOf(inquiry, node, `net/ipv4/conf/${name}/rp_filter`)))
  const mode = Math.max(...values.map(Number).filter(Number.isFinite), 0)
  if (mode === 0) return undefined
  const back = await inquiry.lookups.route(node.name, source)
  const isBackHere = back?.includes(`dev ${device}`) ?? false
  if (mode === 1 ? isBackHere : back !== undefined) return undefined
  return {
    code: 'reverse-path-filter',
    message: `${node.name} throws away what comes from ${source} by ${device}, since its own way there is ${back === undefined ? 'none' : `another (${back})`}: rp_filter is ${mode}`,
    where: `${node.name}: net.ipv4.conf.${device}.rp_filter`,
    evidence: [
      `net.ipv4.conf.all.rp_filter = ${values[0]}`,
      `net.ipv4.conf.${device}.rp_filter = ${values[1]}`,
      `route to ${source}: ${back ?? 'none'}`,
    ],
    mend: `./podwire node ${node.name} -- sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.${device}.rp_filter=0`,
  }
}

/** The Pod range of another node, and no route to it but the one to everywhere. */
async function lostRoute({ evidence, lookups }: Inquiry, node: HostFacts, dst: string): Promise<CauseRecord | undefined> {
  const owner = [...evidence.facts.hosts.values()].find(
    ({ name, attachments }) =>
      name !== node.name && attachments.some(({ addresses }) => addresses.some(each => each.split('/')[0] === dst)),
  )
  const route = await lookups.route(node.name, dst)
  if (owner === undefined || route?.startsWith('default') !== true) return undefined
  return {
    code: 'route-missing',
    message: `${node.name} has no route to the Pods of ${owner.name}: ${dst} goes the way of everything else (${route})`,
    where: `${node.name}: routes`,
    evidence: [route],
    mend: `./podwire logs ${node.name}`,
  }
}

/** Left by the uplink bare though Pods' packets between these nodes travel otherwise. */
export const routeMissing: FindCause = async inquiry => {
  const { path, reply } = inquiry
  const out = (reply.length > 0 ? reply : path).findLast(({ dir, place }) => dir === 'out' && place?.port === 'uplink')
  const node = nodeOf(inquiry, out)
  if (out === undefined || node === undefined || out.headers.outer !== undefined) return undefined
  return lostRoute(inquiry, node, out.headers.dst ?? '')
}

/** The next hop's MAC is not known, or is not the Pod's. */
async function neighbourCause(
  inquiry: Inquiry,
  node: HostFacts,
  { dst, route, pods }: { readonly dst: string; readonly route: string; readonly pods: readonly (Inquiry['client'] | undefined)[] },
): Promise<CauseRecord | undefined> {
  const next = / via (\S+)/.exec(route)?.[1] ?? dst
  const entry = await inquiry.lookups.neighbour(node.name, next)
  const pod = pods.find(each => each?.ip === next)
  const mac = / lladdr (\S+)/.exec(entry ?? '')?.[1]
  const where = `${node.name}: neighbours`
  const mend = `./podwire node ${node.name} -- ip neigh show to ${next}`
  if (mac === undefined) {
    const of = pod === undefined ? `the next hop ${next}` : `pod ${pod.key} (${next})`
    return {
      code: 'neighbour-missing',
      message: `${node.name} does not know the MAC of ${of}: ${entry ?? 'no entry'}`,
      where,
      evidence: [route, entry ?? `no neighbour entry for ${next}`],
      mend,
    }
  }
  return undefined
}

/** The frame left towards a MAC that is not the Pod's. */
export const neighbourWrong: FindCause = async inquiry => {
  const { client, server, evidence, last } = inquiry
  const pod = lostLeg(inquiry) === 'reply' ? client : server
  const node = pod?.kind === 'pod' ? evidence.facts.hosts.get(pod.node) : undefined
  if (pod?.kind !== 'pod' || node === undefined || last?.host !== node.name) return undefined
  const entry = await inquiry.lookups.neighbour(node.name, pod.ip)
  const mac = / lladdr (\S+)/.exec(entry ?? '')?.[1]
  if (mac === undefined || mac === pod.mac) return undefined
  return {
    code: 'neighbour-wrong',
    message: `${node.name} takes ${mac} for the MAC of pod ${pod.key} (${pod.ip}); it is ${pod.mac}`,
    where: `${node.name}: neighbours`,
    evidence: [entry ?? ''],
    mend: `./podwire node ${node.name} -- ip neigh del ${pod.ip} dev ${node.bridge?.name ?? 'cni0'}`,
  }
}

/** A tunnel that does not take the packet, or does not give it out. */
export const tunnel: FindCause = async inquiry => {
  const { last, evidence } = inquiry
  const node = nodeOf(inquiry, last)
  if (last === undefined || node === undefined) return undefined
  if (last.place?.port === 'vxlan' && last.dir === 'out') {
    const route = await inquiry.lookups.route(node.name, last.headers.dst ?? '')
    const next = / via (\S+)/.exec(route ?? '')?.[1]
    const mac = / lladdr (\S+)/.exec((next && (await inquiry.lookups.neighbour(node.name, next))) ?? '')?.[1]
    if (mac !== undefined && (await inquiry.lookups.fdb(node.name, mac)) === undefined) {
      return {
        code: 'fdb-missing',
        message: `${node.name} does not know behind which node the MAC ${mac} (${next}) is: ${node.vxlan?.name} has no FDB entry for it, so nothing leaves by the uplink`,
        where: `${node.name}: FDB of ${node.vxlan?.name}`,
        evidence: [`no entry for ${mac}`, route ?? ''],
        mend: `./podwire node ${node.name} -- bridge fdb show dev ${node.vxlan?.name}`,
      }
    }
  }
  const { outer } = last.headers
  if (outer !== undefined && last.dir === 'in' && last.place?.port === 'uplink') {
    const links = await linksOf(inquiry, node)
    const device = node.vxlan && links.get(node.vxlan.name)
    if (node.vxlan === undefined || device === undefined || !device.flags.includes('UP')) return bridgeDown(inquiry, node)
    if (node.vxlan.vni !== outer.vni) {
      return {
        code: 'vni-differs',
        message: `the packet is in VNI ${outer.vni}, and ${node.vxlan.name} of ${node.name} takes VNI ${node.vxlan.vni} only`,
        where: `${node.name}: ${node.vxlan.name}`,
        evidence: [`vni ${node.vxlan.vni}`],
        mend: `./podwire node ${node.name} -- ip -d link show ${node.vxlan.name}`,
      }
    }
  }
  if (last.place?.port === 'uplink' && last.dir === 'out') {
    const remote = [...evidence.facts.hosts.values()].find(({ address, tunnelAddress }) =>
      outer === undefined ? address === last.headers.dst : tunnelAddress === outer.dst,
    )
    const link = remote && (await linksOf(inquiry, remote)).get(remote.uplink?.name ?? 'eth0')
    if (remote !== undefined && (link === undefined || !link.flags.includes('UP'))) {
      return {
        code: 'uplink-down',
        message: `${remote.name} is not on the underlay: its ${remote.uplink?.name ?? 'uplink'} is ${link === undefined ? 'gone' : 'down'}`,
        where: `${remote.name}: ${remote.uplink?.name ?? 'uplink'}`,
        evidence: [link === undefined ? 'no such link' : link.flags.join(', ')],
        mend: `./podwire node ${remote.name} -- ip link set ${remote.uplink?.name ?? 'eth0'} up`,
      }
    }
    if (remote !== undefined) {
      return {
        code: 'underlay-cut',
        message: `the packet left ${node.name} for ${remote.name} (${remote.address}) and did not arrive at its uplink: something between them takes it`,
        where: `between ${node.name} and ${remote.name}`,
        evidence: [`last seen at ${node.name} ${last.interface} out`],
        mend: `./podwire node ${node.name} -- ping -c 1 ${remote.address}`,
      }
    }
  }
  return undefined
}

/** A packet that must not be cut, and an interface on its way that takes smaller ones only. */
export const tooLarge: FindCause = async inquiry => {
  const { path, outcome, evidence } = inquiry
  const size = evidence.sent.rounds[0]?.[0]?.planned.icmpSize
  const last = path.at(-1)
  const node = nodeOf(inquiry, last)
  if (outcome === 'delivered' || size === undefined || node === undefined) return undefined
  const bytes = size + icmpOverhead[evidence.facts.family]
  const dst = destinationOn(inquiry, node, 'path') ?? ''
  const route = await inquiry.lookups.route(node.name, dst)
  const device = / dev (\S+)/.exec(route ?? '')?.[1]
  const links = await linksOf(inquiry, node)
  const link = device === undefined ? undefined : links.get(device)
  const isTunnel = device === node.vxlan?.name
  const uplink = links.get(node.uplink?.name ?? '')
  const room = Math.min(
    link?.mtu ?? Number.POSITIVE_INFINITY,
    isTunnel ? (uplink?.mtu ?? Number.POSITIVE_INFINITY) - 50 : Number.POSITIVE_INFINITY,
  )
  if (room >= bytes) return undefined
  return {
    code: 'mtu',
    message: `the packet has ${bytes} bytes and may not be cut; ${isTunnel ? `the tunnel of ${node.name} takes ${room} (its uplink's MTU ${uplink?.mtu} less 50 for VXLAN, its own ${link?.mtu})` : `${device} of ${node.name} takes ${room}`}`,
    where: `${node.name}: ${device}`,
    evidence: [`mtu of ${device}: ${link?.mtu}`, ...(isTunnel ? [`mtu of ${node.uplink?.name}: ${uplink?.mtu}`] : [])],
    mend: `./podwire node ${node.name} -- ip link show ${device}`,
  }
}
