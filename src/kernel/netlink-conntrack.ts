import { readFileSync } from 'node:fs'

import { type Ip, ipFamily, ipToBytes } from '../base/net/address.js'
import { type Attribute, type Attributes, decodeAttributes } from './netlink-messages.js'
import { type NetlinkSocket, openNetlinkSocket } from './netlink-socket.js'
import { errnoOf } from './syscalls.js'

const NETLINK_NETFILTER = 12
/** NFNL_SUBSYS_CTNETLINK << 8, with the message's number. */
const ipctnl = { get: 0x101, delete: 0x102 } as const
const cta = { tupleOrig: 1, tupleReply: 2, id: 12, zone: 18, filter: 25 } as const
const ctaTupleIp = 1
const nfgenmsgLength = 4
const filterBySource = Buffer.from([1, 0, 0, 0])

/** AF_INET or AF_INET6, and the attribute of a tuple that holds its source. */
const families = { 4: { number: 2, source: 1 }, 6: { number: 10, source: 3 } } as const
const directions = [cta.tupleOrig, cta.tupleReply]

/**
 * Forgets every tracked flow that `address` began or answers, in the network namespace this thread is in.
 *
 * Whoever gets the address next begins with fresh flows: an old entry would keep translating to the former owner's peers.
 * A kernel without connection tracking tracks nothing. Errors: KERNEL_REFUSED.
 */
export function forgetFlowsOf(address: Ip): void {
  withConntrack(socket => {
    // Linux up to 6.18 at least matches an IPv6 filter the wrong way round (ctnetlink_filter_match_tuple): it would delete all others' flows.
    if (ipFamily(address) === 4) forgetOfIpv4(socket, address)
    else if (mayHaveFlows(address)) forgetOneByOne(socket, address)
  })
}

/**
 * False when the kernel's own text of the flows does not name the IPv6 address. Netlink locks each of the table's buckets to list them, which takes 10 ms and
 * more however few flows there are; the text is written without, in one.
 */
function mayHaveFlows(address: Ip): boolean {
  try {
    const groups = Buffer.from(ipToBytes(address)).toString('hex').match(/.{4}/g) ?? []
    return readFileSync('/proc/thread-self/net/nf_conntrack', 'latin1').includes(`src=${groups.join(':')} `)
  } catch {
    return true // Not every kernel writes it.
  }
}

/** The same for IPv6, and for kernels before 6.9, which cannot delete by a filter. Listing takes 20 ms even when the table of 262,144 buckets is empty. */
export const forgetListedFlowsOf = (address: Ip): void => withConntrack(socket => forgetOneByOne(socket, address))

function withConntrack(work: (socket: NetlinkSocket) => void): void {
  let socket: NetlinkSocket
  try {
    socket = openNetlinkSocket(NETLINK_NETFILTER)
  } catch (error) {
    if (errnoOf(error) === 'EPROTONOSUPPORT') return
    throw error
  }
  try {
    work(socket)
  } finally {
    socket.close()
  }
}

function forgetOfIpv4(socket: NetlinkSocket, address: Ip): void {
  try {
    forgetInKernel(socket, address)
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error
    forgetOneByOne(socket, address)
  }
}

const headerFor = (address: Ip): Buffer => Buffer.from([families[ipFamily(address)].number, 0, 0, 0])

function forgetInKernel(socket: NetlinkSocket, address: Ip): void {
  const source: Attribute = [families[ipFamily(address)].source, ipToBytes(address)]
  for (const direction of directions) {
    const attributes: Attribute[] = [
      [direction, [[ctaTupleIp, [source]]]],
      [cta.filter, [[direction, filterBySource]]],
    ]
    socket.request(`forget the flows of ${address}`, { type: ipctnl.delete, flags: 0, header: headerFor(address), attributes })
  }
}

function forgetOneByOne(socket: NetlinkSocket, address: Ip): void {
  const header = headerFor(address)
  const source = Buffer.from(ipToBytes(address))
  const isOurs = (flow: Attributes): boolean =>
    directions.some(direction => {
      const ip = decodeAttributes(flow.get(direction) ?? Buffer.alloc(0)).get(ctaTupleIp)
      return ip !== undefined && decodeAttributes(ip).get(families[ipFamily(address)].source)?.equals(source) === true
    })
  const flows = socket
    .dump('list tracked flows', { type: ipctnl.get, flags: 0, header, attributes: [] })
    .map(({ data }) => decodeAttributes(data, nfgenmsgLength))
  for (const flow of flows.filter(isOurs)) {
    const attributes = [cta.tupleOrig, cta.id, cta.zone].flatMap((type): Attribute[] => {
      const value = flow.get(type)
      return value === undefined ? [] : [[type, value]]
    })
    try {
      socket.request(`forget a flow of ${address}`, { type: ipctnl.delete, flags: 0, header, attributes })
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error // It ended by itself.
    }
  }
}
