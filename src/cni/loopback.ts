import { cniError, cniErrorCodes } from './cni-error.js'
import type { CniResult } from './cni-result.js'
import { inNetns } from './pod-interface.js'

const addresses = ['127.0.0.1/8', '::1/128']

/** Brings a Pod's loopback up, as containerd asks of a plugin of type `loopback` before every other. */
export function addLoopback(netns: string, ifname: string): CniResult {
  return inNetns(netns, inside => {
    const link = inside.link(ifname)
    if (link === undefined) throw cniError(cniErrorCodes.kernelRefused, `there is no ${ifname} in ${netns}`)
    inside.changeLink(link.index, { up: true })
    const present = inside.addresses().flatMap(({ link: index, cidr }) => (index === link.index ? [cidr] : []))
    return {
      interfaces: [{ name: ifname, mac: link.mac, sandbox: netns }],
      ips: addresses.filter(address => present.includes(address)).map(address => ({ address, interface: 0 })),
      routes: [],
      dns: {},
    }
  })
}

/** Code 103 when the loopback is down. */
export function checkLoopback(netns: string, ifname: string): void {
  const isUp = inNetns(netns, inside => inside.link(ifname)?.isUp === true)
  if (!isUp) throw cniError(cniErrorCodes.checkFailed, `${ifname} in ${netns} is down`)
}
