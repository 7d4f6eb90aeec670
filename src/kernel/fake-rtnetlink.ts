import { cidrContains, ipFamily, parseInterfaceAddress, parseIp } from '../base/net/address.js'
import type { Address, Link, LinkChange, Neighbour, Route, Rtnetlink } from './rtnetlink.js'
import { kernelRefused } from './syscalls.js'

const RTPROT_KERNEL = 2
const RTPROT_BOOT = 3
const smallestMtu = 68

/**
 * A network namespace that exists in memory only and refuses what the kernel refuses, with the same errno. It starts with a downed `lo`.
 *
 * It knows IPv4; a link moved to another namespace (or a veth's peer made there) is out of sight.
 */
export function createFakeRtnetlink(): Rtnetlink {
  const links = new Map<number, Link>()
  let addresses: readonly Address[] = []
  let routes: readonly Route[] = []
  let neighbours: readonly Neighbour[] = []
  let fdb: readonly Neighbour[] = []
  let lastIndex = 0

  const named = (name: string): Link | undefined => [...links.values()].find(link => link.name === name)

  function need(operation: string, index: number): Link {
    const link = links.get(index)
    if (link === undefined) throw kernelRefused(operation, 'ENODEV')
    return link
  }

  function addLink(operation: string, link: Partial<Link> & Pick<Link, 'name' | 'kind'>): Link {
    if (named(link.name) !== undefined) throw kernelRefused(operation, 'EEXIST')
    const index = ++lastIndex
    const made: Link = {
      mac: `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`,
      mtu: 1500,
      isUp: false,
      master: undefined,
      peer: undefined,
      alias: undefined,
      group: 0,
      vxlan: undefined,
      ...link,
      index,
    }
    links.set(index, made)
    return made
  }

  function removeLink(index: number): void {
    const link = links.get(index)
    if (link === undefined) return
    links.delete(index)
    dropAllOf(index)
    addresses = addresses.filter(entry => entry.link !== index)
    for (const port of links.values()) if (port.master === index) links.set(port.index, { ...port, master: undefined })
    if (link.peer !== undefined) removeLink(link.peer)
  }

  /** What a link that goes down loses; its addresses stay. */
  function dropAllOf(index: number): void {
    routes = routes.filter(route => route.link !== index)
    neighbours = neighbours.filter(entry => entry.link !== index)
    fdb = links.has(index) ? fdb : fdb.filter(entry => entry.link !== index)
  }

  const connectedRoute = ({ link, cidr }: Address): Route | undefined => {
    const { ip, prefix, cidr: destination } = parseInterfaceAddress(cidr)
    return prefix === 32 ? undefined : { destination, link, source: ip, scope: 'link', protocol: RTPROT_KERNEL }
  }

  function addConnectedRoute(address: Address): void {
    const route = connectedRoute(address)
    if (route !== undefined && links.get(address.link)?.isUp === true) routes = [...routes, route]
  }

  const isSameRoute = (route: Route, wanted: Route): boolean =>
    route.destination === wanted.destination &&
    (wanted.link === undefined || route.link === wanted.link) &&
    (wanted.gateway === undefined || route.gateway === wanted.gateway) &&
    (wanted.protocol === undefined || route.protocol === wanted.protocol)

  /** The link a gateway is reached by without another gateway. */
  const linkOfGateway = (gateway: string): number | undefined =>
    routes.find(
      ({ destination, gateway: next }) =>
        next === undefined && destination !== 'default' && cidrContains(parseInterfaceAddress(destination).cidr, parseIp(gateway)),
    )?.link

  const replaceEntry = (entries: readonly Neighbour[], entry: Neighbour, key: 'address' | 'mac'): readonly Neighbour[] => [
    ...entries.filter(other => other.link !== entry.link || other[key] !== entry[key]),
    entry,
  ]
  const withoutEntry = (
    operation: string,
    entries: readonly Neighbour[],
    entry: Neighbour,
    key: 'address' | 'mac',
  ): readonly Neighbour[] => {
    const rest = entries.filter(other => other.link !== entry.link || other[key] !== entry[key])
    if (rest.length === entries.length) throw kernelRefused(operation, 'ENOENT')
    return rest
  }

  addLink('add link lo', { name: 'lo', kind: undefined, mac: '00:00:00:00:00:00', mtu: 65536 })

  return {
    links: () => [...links.values()],
    link: named,
    addVeth({ name, mtu, mac, peer, ...near }) {
      const operation = `add link ${name}`
      if (named(name) !== undefined || (peer.netnsFd === undefined && named(peer.name) !== undefined))
        throw kernelRefused(operation, 'EEXIST')
      const made = addLink(operation, { name, kind: 'veth', mtu, ...(mac === undefined ? {} : { mac }), ...near })
      if (peer.netnsFd !== undefined) return
      const far = addLink(operation, {
        name: peer.name,
        kind: 'veth',
        mtu,
        peer: made.index,
        ...(peer.mac === undefined ? {} : { mac: peer.mac }),
      })
      links.set(made.index, { ...made, peer: far.index })
    },
    addBridge: ({ name, ...bridge }) => void addLink(`add link ${name}`, { name, kind: 'bridge', ...bridge }),
    addDummy: ({ name, mtu }) => void addLink(`add link ${name}`, { name, kind: 'dummy', mtu }),
    addVxlan({ name, mtu, mac, ...vxlan }) {
      const operation = `add link ${name}`
      need(operation, vxlan.underlyingLink)
      const isTwin = [...links.values()].some(link => link.vxlan?.vni === vxlan.vni && link.vxlan.port === vxlan.port)
      if (isTwin) throw kernelRefused(operation, 'EEXIST')
      addLink(operation, { name, kind: 'vxlan', mtu, vxlan: { ...vxlan, learning: false }, ...(mac === undefined ? {} : { mac }) })
    },
    changeLink(index, change) {
      const operation = `change link ${index} (${Object.keys(change).join(', ')})`
      const link = need(operation, index)
      if (change.mtu !== undefined && change.mtu < smallestMtu) throw kernelRefused(operation, 'EINVAL')
      if (change.name !== undefined && change.name !== link.name && named(change.name) !== undefined)
        throw kernelRefused(operation, 'EEXIST')
      if (change.master !== undefined && change.master !== 0 && links.get(change.master)?.kind !== 'bridge') {
        throw kernelRefused(operation, links.has(change.master) ? 'ENOTSUP' : 'EINVAL')
      }
      if (change.netnsFd !== undefined) {
        links.delete(index)
        dropAllOf(index)
        return
      }
      const changed = changedLink(link, change)
      links.set(index, changed)
      if (link.isUp && !changed.isUp) dropAllOf(index)
      if (!link.isUp && changed.isUp) for (const address of addresses) if (address.link === index) addConnectedRoute(address)
    },
    changeBridgePort(index) {
      const operation = `change bridge port ${index}`
      if (need(operation, index).master === undefined) throw kernelRefused(operation, 'ENOTSUP')
    },
    deleteLink(index) {
      const operation = `delete link ${index}`
      if (need(operation, index).kind === undefined) throw kernelRefused(operation, 'ENOTSUP')
      removeLink(index)
    },
    async deleteGroup(group) {
      const operation = `delete the links of group ${group}`
      if (group === 0) throw kernelRefused(operation, 'EPERM')
      const all = [...links.values()].filter(link => link.group === group)
      if (all.length === 0) throw kernelRefused(operation, 'ENODEV')
      for (const { index } of all) removeLink(index)
    },
    addresses: () => addresses,
    addAddress(address) {
      const operation = `add address ${address.cidr} to link ${address.link}`
      need(operation, address.link)
      if (addresses.some(({ link, cidr }) => link === address.link && cidr === address.cidr)) throw kernelRefused(operation, 'EEXIST')
      const added = { scope: 'global' as const, ...address }
      addresses = [...addresses, added]
      addConnectedRoute(added)
    },
    deleteAddress(address) {
      const operation = `delete address ${address.cidr} of link ${address.link}`
      need(operation, address.link)
      const rest = addresses.filter(({ link, cidr }) => link !== address.link || cidr !== address.cidr)
      if (rest.length === addresses.length) throw kernelRefused(operation, 'EADDRNOTAVAIL')
      addresses = rest
      const gone = connectedRoute(address)
      routes = routes.filter(route => gone === undefined || route.source !== gone.source)
    },
    routes: () => routes,
    replaceRoute(route) {
      const operation = `replace route ${route.destination}`
      if (route.link !== undefined && !need(operation, route.link).isUp) throw kernelRefused(operation, 'ENETDOWN')
      const onGateway = route.gateway === undefined || route.onlink === true ? undefined : linkOfGateway(route.gateway)
      if (route.gateway !== undefined && route.onlink !== true && onGateway === undefined) throw kernelRefused(operation, 'ENETUNREACH')
      const link = route.link ?? onGateway
      if (link === undefined) throw kernelRefused(operation, 'ENODEV')
      const scope = route.scope ?? (route.gateway === undefined ? 'link' : 'global')
      const made = { ...route, link, scope, protocol: route.protocol ?? RTPROT_BOOT }
      // The kernel knows a route by destination (and metric) alone when it replaces one.
      routes = [...routes.filter(other => other.destination !== route.destination), made]
    },
    deleteRoute(route) {
      const victim = routes.find(other => isSameRoute(other, route))
      if (victim === undefined) throw kernelRefused(`delete route ${route.destination}`, 'ESRCH')
      routes = routes.filter(other => other !== victim)
    },
    neighbours: () => neighbours,
    replaceNeighbour(entry) {
      const operation = `replace neighbour ${entry.address}`
      need(operation, entry.link)
      if (ipFamily(parseIp(entry.address)) === 4) neighbours = replaceEntry(neighbours, entry, 'address')
    },
    deleteNeighbour(entry) {
      const operation = `delete neighbour ${entry.address}`
      need(operation, entry.link)
      neighbours = withoutEntry(operation, neighbours, entry, 'address')
    },
    fdb: () => fdb,
    replaceFdb(entry) {
      const operation = `replace fdb ${entry.mac}`
      if (need(operation, entry.link).vxlan === undefined) throw kernelRefused(operation, 'EINVAL')
      fdb = replaceEntry(fdb, entry, 'mac')
    },
    deleteFdb(entry) {
      const operation = `delete fdb ${entry.mac}`
      need(operation, entry.link)
      fdb = withoutEntry(operation, fdb, entry, 'mac')
    },
    close: () => {},
  }
}

const changedLink = (link: Link, { up, mac, mtu, name, alias, group, master }: LinkChange): Link => ({
  ...link,
  isUp: up ?? link.isUp,
  mac: mac ?? link.mac,
  mtu: mtu ?? link.mtu,
  name: name ?? link.name,
  alias: alias ?? link.alias,
  group: group ?? link.group,
  master: master === undefined ? link.master : master === 0 ? undefined : master,
})
