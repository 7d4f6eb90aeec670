import { closeSync, fstatSync, openSync, statSync } from 'node:fs'

import { isPodwireError } from '../base/errors/podwire-error.js'
import { ipFamily } from '../base/net/address.js'
import { forgetFlowsOf } from '../kernel/netlink-conntrack.js'
import { openRtnetlink } from '../kernel/netlink-rtnetlink.js'
import { withNetns } from '../kernel/netns.js'
import type { Link, Rtnetlink } from '../kernel/rtnetlink.js'
import { ensureSysctl } from '../kernel/sysctl.js'
import { cniError, cniErrorCodes } from './cni-error.js'
import type { CheckedPodInterface, Datapath, NodeStack, PodAddress, PodInterface } from './datapath.js'
import { leavingGroup, linkDeletions } from './link-deletions.js'
import { ensurePodBridge } from './pod-bridge.js'
import { connectRouted, routedProblems } from './routed-end.js'

/** The parts of the node's stack that Pod interfaces need. */
export type PodStack = Pick<NodeStack, 'enter' | 'rtnetlink'>

/** The parts of a datapath that CNI calls need. */
export type PodDatapath = Pick<Datapath, 'add' | 'check' | 'exists' | 'del' | 'gc' | 'trouble'>

/** Pods by veth pairs: as ports of the node's bridge, or routed to one by one. */
export function podInterfaces(stack: PodStack): PodDatapath {
  const { rtnetlink } = stack
  const deleteLink = linkDeletions(rtnetlink)
  return {
    add: pod => addPodInterface(stack, pod),
    check: pod => checkPodInterface(stack, pod),
    exists: hostVeth => rtnetlink.link(hostVeth) !== undefined,
    async del(hostVeth, addresses) {
      await deleteLink(hostVeth)
      if (addresses.length === 0) return
      stack.enter(() => {
        for (const address of addresses) forgetFlowsOf(address)
      })
    },
    async gc(keep, group) {
      const unknown = rtnetlink
        .links()
        .filter(link => (link.group === group || link.group === leavingGroup) && link.kind === 'veth' && !keep.has(link.name))
      await Promise.all(unknown.map(({ name }) => deleteLink(name)))
      return unknown.map(({ name }) => name)
    },
    trouble(name) {
      const bridge = rtnetlink.link(name)
      if (bridge === undefined) return `the node has no bridge ${name}`
      return bridge.isUp ? undefined : `the bridge ${name} is down`
    },
  }
}

const defaultRoutes = { 4: '0.0.0.0/0', 6: '::/0' } as const

/** The default route's destination in the family of `address`, as CNI results name it. */
export const defaultRouteFor = (address: Parameters<typeof ipFamily>[0]): string => defaultRoutes[ipFamily(address)]

export const interfaceAddress = ({ address, prefix }: PodAddress): string => `${address}/${prefix}`

/**
 * Connects a Pod to the node: a veth pair, its far end in the Pod with addresses and routes, its near end a port of the bridge
 * in hairpin mode, without which a Pod could not reach itself through a Service, or with the gateways' addresses of its own.
 * After an error nothing is left.
 */
function addPodInterface(stack: PodStack, pod: PodInterface): { readonly hostMac: string } {
  const { rtnetlink } = stack
  const netnsFd = openPodNetns(pod.netns, stack.enter)
  try {
    return inNetns(pod.netns, inside => {
      if (inside.link(pod.ifname) !== undefined) {
        throw cniError(cniErrorCodes.interfaceExists, `interface ${pod.ifname} exists already in ${pod.netns}`)
      }
      const bridge = pod.bridge === undefined ? undefined : ensurePodBridge(stack, pod.bridge, pod)
      const { hostVeth: name, mtu, group, mac } = pod
      const master = bridge === undefined ? {} : { master: bridge.index }
      rtnetlink.addVeth({ name, mtu, group, ...master, peer: { name: pod.ifname, netnsFd, mac } })
      try {
        const host = rtnetlink.link(name)
        if (host === undefined) throw cniError(cniErrorCodes.kernelRefused, `${name} vanished while it was set up`)
        if (bridge !== undefined) rtnetlink.changeBridgePort(host.index, { hairpin: true })
        rtnetlink.changeLink(host.index, { alias: pod.alias, up: true })
        setUpInside(inside, pod)
        if (bridge === undefined) connectRouted(stack, pod, host)
        return { hostMac: host.mac }
      } catch (error) {
        const left = rtnetlink.link(name)
        if (left !== undefined) rtnetlink.deleteLink(left.index)
        throw error
      }
    })
  } finally {
    closeSync(netnsFd)
  }
}

function setUpInside(inside: Rtnetlink, pod: PodInterface): void {
  const [loopback, link] = ['lo', pod.ifname].map(name => inside.link(name))
  if (loopback === undefined || link === undefined)
    throw cniError(cniErrorCodes.kernelRefused, `${pod.ifname} vanished while it was set up`)
  if (!loopback.isUp) inside.changeLink(loopback.index, { up: true })
  withNetns(pod.netns, () => setSysctls(pod))
  // IPv6 addresses are usable at once: duplicates are impossible, since they are allocated, so the kernel is told not to look for them.
  for (const address of pod.addresses) inside.addAddress({ link: link.index, cidr: interfaceAddress(address) })
  inside.changeLink(link.index, { up: true })
  for (const { destination, gateway } of pod.routes) {
    inside.replaceRoute({
      destination,
      link: link.index,
      ...(gateway === undefined ? {} : { gateway }),
      ...(gateway !== undefined && pod.bridge === undefined ? { onlink: true } : {}),
    })
  }
}

/** A Pod takes no routers' advice: its routes are given. A runtime may have turned IPv6 off where it did not know of any. */
function setSysctls({ ifname, addresses }: PodInterface): void {
  const hasIpv6 = addresses.some(({ address }) => ipFamily(address) === 6)
  const key = (name: string): string => `net/ipv6/conf/${ifname}/${name}`
  if (hasIpv6) ensureSysctl(key('disable_ipv6'), '0')
  // A node of a flat layer 2 might tell the Pod to go straight, and it would do so long after the segment is left.
  ensureSysctl(`net/ipv4/conf/${ifname}/accept_redirects`, '0')
  try {
    ensureSysctl(key('accept_redirects'), '0')
    ensureSysctl(key('accept_ra'), '0')
  } catch (error) {
    if (hasIpv6 || !isPodwireError(error, 'KERNEL_UNSUPPORTED')) throw error // A kernel without IPv6 needs none of it.
  }
}

/** Compares the kernel with what `addPodInterface` makes, and lists every difference in one error. */
function checkPodInterface(stack: PodStack, pod: CheckedPodInterface): void {
  closeSync(openPodNetns(pod.netns, stack.enter))
  const problems = inNetns(pod.netns, inside => {
    const link = inside.link(pod.ifname)
    if (link === undefined) return [`${pod.ifname} is missing in ${pod.netns}`]
    return [...problemsInside(inside, pod, link), ...problemsOnNode(stack, pod, link)]
  })
  if (problems.length > 0) throw cniError(cniErrorCodes.checkFailed, problems.join('; '))
}

function problemsInside(inside: Rtnetlink, pod: CheckedPodInterface, link: Link): readonly string[] {
  const addresses = inside.addresses().filter(address => address.link === link.index)
  const routes = inside.routes().filter(route => route.link === link.index)
  const lost = pod.addresses.map(interfaceAddress).filter(wanted => !addresses.some(({ cidr }) => cidr === wanted))
  const unrouted = pod.routes.filter(
    wanted => !routes.some(({ destination, gateway }) => destination === wanted.destination && gateway === wanted.gateway),
  )
  return [
    ...(link.isUp ? [] : [`${pod.ifname} is down`]),
    ...(link.mac === pod.mac ? [] : [`${pod.ifname} has MAC ${link.mac} instead of ${pod.mac}`]),
    ...(pod.mtu === undefined || link.mtu === pod.mtu ? [] : [`${pod.ifname} has MTU ${link.mtu} instead of ${pod.mtu}`]),
    ...lost.map(address => `${pod.ifname} lacks address ${address}`),
    ...unrouted.map(({ destination, gateway }) => `the ${destination} route via ${gateway ?? pod.ifname} is missing`),
  ]
}

function problemsOnNode(stack: PodStack, pod: CheckedPodInterface, link: Link): readonly string[] {
  const host = stack.rtnetlink.link(pod.hostVeth)
  if (host?.peer !== link.index) return [`${pod.hostVeth} on the node is missing or leads elsewhere`]
  const down = host.isUp ? [] : [`${pod.hostVeth} is down`]
  if (pod.bridge === undefined) return [...down, ...routedProblems(stack, pod, host)]
  const bridge = stack.rtnetlink.link(pod.bridge)
  const isPort = bridge !== undefined && host.master === bridge.index
  return [...down, ...(isPort ? [] : [`${pod.hostVeth} is no port of ${pod.bridge}`])]
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
