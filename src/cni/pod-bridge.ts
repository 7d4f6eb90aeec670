import { ipFamily, parseInterfaceAddress } from '../base/net/address.js'
import type { Link } from '../kernel/rtnetlink.js'
import { errnoOf } from '../kernel/syscalls.js'
import { ensureSysctl } from '../kernel/sysctl.js'
import { cniError, cniErrorCodes } from './cni-error.js'
import type { NodeStack, PodInterface } from './datapath.js'
import { macOfAddress } from './pod-names.js'

/**
 * The bridge of a Pod's network, up, with the Pod's gateways among its addresses: what the agent of a node keeps so all the time, and what
 * the plugin alone must see to. A bridge that is there keeps what else it has.
 */
export function ensurePodBridge({ rtnetlink, enter }: Pick<NodeStack, 'rtnetlink' | 'enter'>, name: string, pod: PodInterface): Link {
  const gateways = pod.addresses.flatMap(({ gateway, prefix }) => (gateway === undefined ? [] : [{ gateway, prefix }]))
  let bridge = rtnetlink.link(name)
  if (bridge === undefined) {
    const [first] = gateways
    // Without a MAC of its own a bridge changes it as ports come and go, and Pods would keep a wrong neighbour.
    const mac = first === undefined ? {} : { mac: macOfAddress(first.gateway) }
    unlessThere(() => rtnetlink.addBridge({ name, mtu: pod.mtu, ...mac }))
    bridge = rtnetlink.link(name)
    if (bridge === undefined) throw cniError(cniErrorCodes.tryAgainLater, `the bridge ${name} vanished while it was set up`)
    enter(() => {
      ensureSysctl('net/ipv4/ip_forward', '1')
      if (gateways.some(({ gateway }) => ipFamily(gateway) === 6)) ensureSysctl('net/ipv6/conf/all/forwarding', '1')
    })
  }
  if (bridge.kind !== 'bridge') {
    throw cniError(cniErrorCodes.kernelRefused, `${name} on this node is not a bridge`, `Remove it: ip link delete ${name}`)
  }
  const { index } = bridge
  const present = rtnetlink.addresses().filter(({ link }) => link === index)
  for (const { gateway, prefix } of gateways) {
    const isThere = present.some(({ cidr }) => parseInterfaceAddress(cidr).ip === gateway)
    if (!isThere) unlessThere(() => rtnetlink.addAddress({ link: index, cidr: `${gateway}/${prefix}` }))
  }
  if (!bridge.isUp) rtnetlink.changeLink(index, { up: true })
  return bridge
}

/** Another process that serves another container may have made the same in between. */
function unlessThere(make: () => void): void {
  try {
    make()
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
}
