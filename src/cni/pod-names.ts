import { createHash } from 'node:crypto'

import { type Ip, ipFamily, ipToBytes } from '../base/net/address.js'
import type { AttachmentKey, PodNames } from './request.js'

/**
 * The name of a Pod interface's end on the node, the same for every Pod of that name, so that people and captures find it again.
 * Without a Pod (cnitool) the container stands in; a second interface of one Pod gets a name of its own.
 */
export function hostVethName({ namespace, name }: PodNames, { containerId, ifname }: AttachmentKey): string {
  const owner = name === '' ? containerId : `${namespace}/${name}`
  const subject = ifname === 'eth0' ? owner : `${owner}/${ifname}`
  return `veth${createHash('sha256').update(subject).digest('hex').slice(0, 8)}`
}

/** The number that marks the links of a network on this node. Never 0, which is what links have that nobody marked. */
export const networkGroup = (network: string): number => createHash('sha256').update(network).digest().readUInt32LE(0) >>> 1 || 1

/** The alias of that end, for `ip link`. */
export const hostVethAlias = ({ namespace, name }: PodNames, { containerId }: AttachmentKey): string =>
  name === '' ? containerId : `${namespace}/${name}`

/** A MAC that follows from the address, so that neighbours who remember a former Pod with the address are right about the new one. */
export function macOfAddress(ip: Ip): string {
  const bytes = ipFamily(ip) === 4 ? ipToBytes(ip) : createHash('sha256').update(ip).digest().subarray(0, 4)
  return `0a:58:${Buffer.from(bytes)
    .toString('hex')
    .replace(/..(?=.)/g, '$&:')}`
}
