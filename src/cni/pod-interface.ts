import { closeSync, fstatSync, openSync, statSync } from 'node:fs'

import { cidrParts, ipFamily } from '../base/net/address.js'
import { openRtnetlink } from '../kernel/netlink-rtnetlink.js'
import { withNetns } from '../kernel/netns.js'
import type { Rtnetlink } from '../kernel/rtnetlink.js'
import { errnoOf } from '../kernel/syscalls.js'
import { cniError, cniErrorCodes } from './cni-error.js'
import type { Datapath, NodeStack, PodInterface } from './datapath.js'
import { hostVethPattern } from './pod-names.js'

/** The parts of the node's stack that Pod interfaces need. */
export type PodStack = Pick<NodeStack, 'enter' | 'rtnetlink'>

/** The parts of a datapath that CNI calls need. */
export type PodDatapath = Pick<Datapath, 'add' | 'check' | 'del' | 'gc'>

/** Pods as ports of the node's bridge. */
export const bridgedPods = (stack: PodStack): PodDatapath => ({
  add: pod => addPodInterface(stack, pod),
  check: pod => checkPodInterface(stack, pod),
  del: hostVeth => deletePodInterface(stack.rtnetlink, hostVeth),
  gc: (keep, bridge) => deleteUnknownPodInterfaces(stack.rtnetlink, keep, bridge),
})

const defaultRoutes = { 4: '0.0.0.0/0', 6: '::/0' } as const

/** The default route's destination in the family of `address`, as CNI results name it. */
export const defaultRouteFor = (address: Parameters<typeof ipFamily>[0]): string => defaultRoutes[ipFamily(address)]

const interfaceAddress = ({ address, range }: PodInterface['addresses'][number]): string => `${address}/${cidrParts(range).prefix}`

/**
 * Connects a Pod to the node's bridge: a veth pair, its far end in the Pod with addresses and default routes, its near end a port
 * of the bridge in hairpin mode, without which a Pod could not reach itself through a Service. After an error nothing is left.
 */
function addPodInterface({ rtnetlink, enter }: PodStack, pod: PodInterface): { readonly hostMac: string } {
  const netnsFd = openPodNetns(pod.netns, enter)
  try {
    return inNetns(pod.netns, inside => {
      if (inside.link(pod.ifname) !== undefined) {
        throw cniError(cniErrorCodes.interfaceExists, `interface ${pod.ifname} exists already in ${pod.netns}`)
      }
      const bridge = rtnetlink.link(pod.bridge)
      if (bridge === undefined) {
        throw cniError(cniErrorCodes.tryAgainLater, `the node has no bridge ${pod.bridge} yet`, 'The agent of the node makes it.')
      }
      rtnetlink.addVeth({ name: pod.hostVeth, mtu: pod.mtu, peer: { name: pod.ifname, netnsFd, mac: pod.mac } })
      try {
        setUpInside(inside, pod)
        const host = rtnetlink.link(pod.hostVeth)
        if (host === undefined) throw cniError(cniErrorCodes.kernelRefused, `${pod.hostVeth} vanished while it was set up`)
        rtnetlink.changeLink(host.index, { master: bridge.index, alias: pod.alias })
        rtnetlink.changeBridgePort(host.index, { hairpin: true })
        rtnetlink.changeLink(host.index, { up: true })
        return { hostMac: host.mac }
      } catch (error) {
        deletePodInterface(rtnetlink, pod.hostVeth)
        throw error
      }
    })
  } finally {
    closeSync(netnsFd)
  }
}

function setUpInside(inside: Rtnetlink, pod: PodInterface): void {
  const links = inside.links()
  const [loopback, link] = ['lo', pod.ifname].map(name => links.find(candidate => candidate.name === name))
  if (loopback === undefined || link === undefined)
    throw cniError(cniErrorCodes.kernelRefused, `${pod.ifname} vanished while it was set up`)
  inside.changeLink(loopback.index, { up: true })
  for (const allocation of pod.addresses) inside.addAddress({ link: link.index, cidr: interfaceAddress(allocation) })
  inside.changeLink(link.index, { up: true })
  for (const { gateway } of pod.addresses) {
    inside.replaceRoute({ destination: 'default', gateway, link: link.index })
  }
}

/** Compares the kernel with what `addPodInterface` makes, and lists every difference in one error. */
function checkPodInterface({ rtnetlink, enter }: PodStack, pod: PodInterface): void {
  closeSync(openPodNetns(pod.netns, enter))
  const problems: string[] = []
  const expect = (isTrue: boolean, problem: string): void => {
    if (!isTrue) problems.push(problem)
  }
  inNetns(pod.netns, inside => {
    const link = inside.link(pod.ifname)
    if (link === undefined) return expect(false, `${pod.ifname} is missing in ${pod.netns}`)
    expect(link.isUp, `${pod.ifname} is down`)
    expect(link.mac === pod.mac, `${pod.ifname} has MAC ${link.mac} instead of ${pod.mac}`)
    expect(link.mtu === pod.mtu, `${pod.ifname} has MTU ${link.mtu} instead of ${pod.mtu}`)
    const addresses = inside.addresses().filter(address => address.link === link.index)
    const routes = inside.routes().filter(route => route.link === link.index)
    for (const allocation of pod.addresses) {
      const wanted = interfaceAddress(allocation)
      expect(
        addresses.some(({ cidr }) => cidr === wanted),
        `${pod.ifname} lacks address ${wanted}`,
      )
      expect(
        routes.some(({ destination, gateway }) => destination === 'default' && gateway === allocation.gateway),
        `the default route via ${allocation.gateway} is missing`,
      )
    }
    const host = rtnetlink.link(pod.hostVeth)
    const bridge = rtnetlink.link(pod.bridge)
    expect(host?.peer === link.index, `${pod.hostVeth} on the node is missing or leads elsewhere`)
    expect(host?.isUp === true, `${pod.hostVeth} is down`)
    expect(bridge !== undefined && host?.master === bridge.index, `${pod.hostVeth} is no port of ${pod.bridge}`)
  })
  if (problems.length > 0) throw cniError(cniErrorCodes.checkFailed, problems.join('; '))
}

/** Removes both ends by the one on the node. */
function deletePodInterface(rtnetlink: Rtnetlink, hostVeth: string): void {
  const link = rtnetlink.link(hostVeth)
  if (link === undefined) return
  try {
    rtnetlink.deleteLink(link.index)
  } catch (error) {
    // The namespace at the other end may go at the same moment, and takes the pair with it.
    if (errnoOf(error) !== 'ENODEV') throw error
  }
}

/** Removes the Pod interfaces on `bridge` that nobody claims. */
function deleteUnknownPodInterfaces(rtnetlink: Rtnetlink, keep: ReadonlySet<string>, bridge: string): readonly string[] {
  const links = rtnetlink.links()
  const master = links.find(({ name }) => name === bridge)?.index
  const unknown = links.filter(
    link => link.master === master && link.kind === 'veth' && hostVethPattern.test(link.name) && !keep.has(link.name),
  )
  if (master === undefined) return []
  for (const { name } of unknown) deletePodInterface(rtnetlink, name)
  return unknown.map(({ name }) => name)
}

/** The namespace's descriptor; code 3 when there is none, code 4 when it is the node's own. */
function openPodNetns(path: string, enter: NodeStack['enter']): number {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    throw cniError(cniErrorCodes.unknownContainer, `there is no network namespace at ${path}: ${(error as Error).message}`)
  }
  const own = enter(() => statSync('/proc/thread-self/ns/net'))
  const pods = fstatSync(fd)
  if (pods.ino === own.ino && pods.dev === own.dev) {
    closeSync(fd)
    throw cniError(cniErrorCodes.badEnvironment, `CNI_NETNS ${path} is the node's own network namespace`)
  }
  return fd
}

/** Runs `fn` with rtnetlink of the namespace at `path`. */
export function inNetns<T>(path: string, fn: (inside: Rtnetlink) => T): T {
  const inside = withNetns(path, openRtnetlink)
  try {
    return fn(inside)
  } finally {
    inside.close()
  }
}
