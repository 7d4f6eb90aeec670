import type { Ip } from '../base/net/address.js'
import type { Destination, VirtualServer, VirtualServerKey } from '../kernel/ipvs.js'
import type { SetId } from './object-names.js'

/** A virtual server with its destinations by `address port`. */
export interface ServedAddress {
  readonly server: VirtualServer
  readonly destinations: ReadonlyMap<string, Destination>
}

/** One entry of one set: `CLUSTER-IP 10.96.0.10,tcp:80`. */
export type EntryId = `${SetId} ${string}`

/** What Services are in the kernel, apart from the rules that are the same whatever the Services are. */
export interface IpvsContent {
  /** By `protocol address port`. */
  readonly servers: ReadonlyMap<string, ServedAddress>
  /** Addresses of the Service device. */
  readonly addresses: ReadonlySet<Ip>
  readonly entries: ReadonlySet<EntryId>
  /** Rules of KUBE-IPVS-OUT-FILTER. */
  readonly outRules: readonly string[]
}

export const noContent: IpvsContent = { servers: new Map(), addresses: new Set(), entries: new Set(), outRules: [] }

export const serverId = ({ protocol, address, port }: VirtualServerKey): string => `${protocol} ${address} ${port}`
export const destinationId = ({ address, port }: Omit<Destination, 'weight'>): string => `${address} ${port}`

/** All of the parts. Where two Services claim one address and port, the first has it. */
export function mergeContents(parts: Iterable<IpvsContent>): IpvsContent {
  const servers = new Map<string, ServedAddress>()
  const addresses = new Set<Ip>()
  const entries = new Set<EntryId>()
  const outRules: string[] = []
  for (const part of parts) {
    for (const [id, served] of part.servers) if (!servers.has(id)) servers.set(id, served)
    for (const address of part.addresses) addresses.add(address)
    for (const entry of part.entries) entries.add(entry)
    outRules.push(...part.outRules)
  }
  return { servers, addresses, entries, outRules }
}
