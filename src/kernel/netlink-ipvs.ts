import { PodwireError } from '../base/errors/podwire-error.js'
import { ipFamily } from '../base/net/address.js'
import { type GenericNetlink, openGenericNetlink } from './generic-netlink.js'
import type { Destination, Ipvs, VirtualServerKey } from './ipvs.js'
import type { Attribute } from './netlink-messages.js'
import {
  encodeDestination,
  encodeDestinationKey,
  encodeServer,
  encodeServerKey,
  encodeTimeouts,
  ipvsCommand,
  ipvsFamily,
  parseDestination,
  parseInfo,
  parseServer,
  parseTimeouts,
} from './netlink-messages-ipvs.js'

/** Opens IPVS in the network namespace this thread is in; later calls act there. Errors: KERNEL_UNSUPPORTED without ip_vs. */
export function openIpvs(): Ipvs {
  const family = openFamily()
  if (family === undefined) throw ipvsMissing()
  return ipvsOver(family)
}

/** Throws KERNEL_UNSUPPORTED, with what else can be done, on a kernel that has no ip_vs and cannot load it. */
export function requireIpvs(): void {
  const family = openFamily()
  if (family === undefined) throw ipvsMissing()
  family.close()
}

const openFamily = (): GenericNetlink | undefined => openGenericNetlink(ipvsFamily.name, ipvsFamily.version)

const ipvsMissing = (): PodwireError =>
  new PodwireError('KERNEL_UNSUPPORTED', 'this kernel has no IP virtual servers (ip_vs), which proxy ipvs is made of', {
    hint: 'Load the module with `modprobe ip_vs`; where the kernel has none, use `proxy: nftables` or `proxy: iptables`.',
  })

function ipvsOver(family: GenericNetlink): Ipvs {
  const send = (operation: string, command: number, ...attributes: readonly Attribute[]): void =>
    family.request(operation, { command, attributes })

  return {
    servers: () =>
      family
        .dump('list virtual servers', { command: ipvsCommand.getService, attributes: [] })
        .map(parseServer)
        .filter(server => server !== undefined),
    addServer: server => send(`add virtual server ${serverText(server)}`, ipvsCommand.newService, encodeServer(server)),
    changeServer: server => send(`change virtual server ${serverText(server)}`, ipvsCommand.setService, encodeServer(server)),
    deleteServer: server => send(`delete virtual server ${serverText(server)}`, ipvsCommand.deleteService, encodeServerKey(server)),
    destinations: server =>
      family
        .dump(`list destinations of ${serverText(server)}`, { command: ipvsCommand.getDestination, attributes: [encodeServerKey(server)] })
        .map(parseDestination)
        .filter(destination => destination !== undefined),
    addDestination: (server, destination) =>
      send(`add ${pairText(server, destination)}`, ipvsCommand.newDestination, encodeServerKey(server), encodeDestination(destination)),
    changeDestination: (server, destination) =>
      send(`change ${pairText(server, destination)}`, ipvsCommand.setDestination, encodeServerKey(server), encodeDestination(destination)),
    deleteDestination: (server, destination) =>
      send(
        `delete ${pairText(server, destination)}`,
        ipvsCommand.deleteDestination,
        encodeServerKey(server),
        encodeDestinationKey(destination),
      ),
    flush: () => send('remove all virtual servers', ipvsCommand.flush),
    timeouts: () => parseTimeouts(family.get('read IPVS timeouts', { command: ipvsCommand.getConfig, attributes: [] })),
    setTimeouts: timeouts => send('set IPVS timeouts', ipvsCommand.setConfig, ...encodeTimeouts(timeouts)),
    info: () => parseInfo(family.get('read IPVS version', { command: ipvsCommand.getInfo, attributes: [] })),
    close: () => family.close(),
  }
}

const socketText = ({ address, port }: Pick<VirtualServerKey, 'address' | 'port'>): string =>
  ipFamily(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`
const serverText = (server: VirtualServerKey): string => `${server.protocol} ${socketText(server)}`
const pairText = (server: VirtualServerKey, destination: Omit<Destination, 'weight'>): string =>
  `destination ${socketText(destination)} of ${serverText(server)}`
