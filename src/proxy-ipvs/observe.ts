import { type Ip, type IpFamily, ipFamily, parseInterfaceAddress } from '../base/net/address.js'
import type { Destination, Ipvs } from '../kernel/ipvs.js'
import type { Rtnetlink } from '../kernel/rtnetlink.js'
import { destinationId, type EntryId, type ServedAddress, serverId } from './ipvs-content.js'
import { type SetId, serviceDevice, setIds, setName } from './object-names.js'

/** Our sets, and what is in them, in the output of `ipset save`. */
export function parseSets(saved: string, family: IpFamily): { readonly sets: ReadonlySet<SetId>; readonly entries: ReadonlySet<EntryId> } {
  const ids = new Map(setIds.map(id => [setName(id, family), id]))
  const sets = new Set<SetId>()
  const entries = new Set<EntryId>()
  for (const line of saved.split('\n')) {
    const [verb, name = '', entry] = line.split(' ')
    const id = ids.get(name)
    if (id === undefined) continue
    if (verb === 'create') sets.add(id)
    if (verb === 'add') entries.add(`${id} ${entry}`)
  }
  return { sets, entries }
}

/** Every virtual server of the family with its destinations, whoever made it. */
export function observeServers(ipvs: Ipvs, family: IpFamily): ReadonlyMap<string, ServedAddress> {
  const servers = ipvs.servers().filter(({ address }) => ipFamily(address) === family)
  return new Map(
    servers.map(server => {
      const destinations = ipvs
        .destinations(server)
        .map(({ address, port, weight }): [string, Destination] => [destinationId({ address, port }), { address, port, weight }])
      return [serverId(server), { server, destinations: new Map(destinations) }]
    }),
  )
}

/** The addresses of the Service device, and the node's others that NodePorts may answer at: loopback's and link-local ones cannot be reached from elsewhere. */
export function observeAddresses(rtnetlink: Rtnetlink, family: IpFamily) {
  const device = rtnetlink.link(serviceDevice)
  const all = rtnetlink
    .addresses()
    .map(({ link, cidr }) => ({ link, ip: parseInterfaceAddress(cidr).ip }))
    .filter(({ ip }) => ipFamily(ip) === family && !/^fe[89ab]/.test(ip))
  const localAddresses: readonly Ip[] = all
    .filter(({ link, ip }) => link !== device?.index && !ip.startsWith('127.') && ip !== '::1')
    .map(({ ip }) => ip)
    .sort()
  return {
    hasDevice: device !== undefined,
    addresses: new Set(all.filter(({ link }) => link === device?.index).map(({ ip }) => ip)),
    localAddresses: [...new Set(localAddresses)],
  }
}
