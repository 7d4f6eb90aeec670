import { createHash } from 'node:crypto'

import { type Ip, ipFamily, ipToBytes } from '../base/net/address.js'
import type { AttachmentKey, PodNames } from './request.js'

/** Names of Pod interfaces on the node; nothing else of podwire is called so. */
export const hostVethPattern = /^veth[0-9a-f]{8}$/

/**
 * The name of a Pod interface's end on the node, the same for every Pod of that name, so that people and captures find it again.
 * Without a Pod (cnitool) the container stands in; a second interface of one Pod gets a name of its own.
 */
export function hostVethName({ namespace, name }: PodNames, { containerId, ifname }: AttachmentKey): string {
  const owner = name === '' ? containerId : `${namespace}/${name}`
  const subject = ifname === 'eth0' ? owner : `${owner}/${ifname}`
  return `veth${createHash('sha256').update(subject).digest('hex').slice(0, 8)}`
}

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
