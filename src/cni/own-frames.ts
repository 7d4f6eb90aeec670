import { isPodwireError } from '../base/errors/podwire-error.js'
import type { IpFamily } from '../base/net/address.js'
import type { Link } from '../kernel/rtnetlink.js'
import { ensureSysctl } from '../kernel/sysctl.js'
import type { NodeStack } from './datapath.js'

/** The devices by name. */
export interface OwnFrameLinks {
  readonly uplink: string
  readonly bridge: string
  readonly families: readonly IpFamily[]
}

/** Says in the uplink's alias which MAC it had. */
const aliasPrefix = 'podwire: own MAC '
/** Of our filters, by which they are found again, in the order in which they are asked. */
const preferences = { neighbours: '85', ipv4: '86', ipv6: '87' } as const
const icmpv6 = '58'
/** A neighbour's question and its answer (RFC 4861). */
const neighbourMessages = ['135', '136'] as const

/**
 * On a flat layer 2: packets for the node itself go from the uplink to the node's stack as the bridge's, without being bridged first. ARP and its like of IPv6
 * pass the bridge, which learns by them where the segment's hosts are.
 *
 * br_netfilter would translate them on the bridge, and what a node port sends to another node's Pod would have to leave by the port it came in by, which no
 * bridge does. The uplink takes the bridge's MAC, or the kernel would hold the frames for another host's; what it was told of the old one it is told anew.
 * Errors: COMMAND_FAILED where the kernel lacks cls_u32 or act_mirred.
 */
export async function takeOwnFrames(stack: NodeStack, names: OwnFrameLinks, signal: AbortSignal): Promise<void> {
  const { rtnetlink, run } = stack
  const [uplink, bridge] = [rtnetlink.link(names.uplink), rtnetlink.link(names.bridge)]
  if (uplink === undefined || bridge === undefined) return
  if (uplink.mac !== bridge.mac) {
    stack.enter(() => announceChanges(names))
    rtnetlink.changeLink(bridge.index, { mac: bridge.mac })
    rtnetlink.changeLink(uplink.index, { mac: bridge.mac, alias: `${aliasPrefix}${uplink.mac}` })
  }
  if (!(await hasHook(stack, names.uplink, signal))) await run(['tc', 'qdisc', 'add', 'dev', names.uplink, 'clsact'], { signal })
  const [first, second, third, fourth, fifth, sixth] = bridge.mac.split(':')
  const rest = `${third}${fourth}${fifth}${sixth}`
  const present = (await run(['tc', 'filter', 'show', ...hookOf(names.uplink)], { signal })).stdout
  // The last of them says that all are there.
  if (present.split(`pref ${preferences.ipv6} `).at(-1)?.includes(`${rest}/ffffffff at -12`)) return
  await deleteFilters(stack, names.uplink, signal)
  const toUs = ['match', 'u16', `0x${first}${second}`, '0xffff', 'at', '-14', 'match', 'u32', `0x${rest}`, '0xffffffff', 'at', '-12']
  const take = [...toUs, 'action', 'mirred', 'ingress', 'redirect', 'dev', names.bridge]
  const leave = (type: string) => ['match', 'u8', icmpv6, '0xff', 'at', '6', 'match', 'u8', type, '0xff', 'at', '40', 'flowid', '1:1']
  const filters: readonly (readonly [keyof typeof preferences, readonly string[]])[] = [
    ...neighbourMessages.map(type => ['neighbours', leave(type)] as const),
    ['ipv4', take],
    ['ipv6', take],
  ]
  for (const [name, matches] of filters) {
    const place = [...hookOf(names.uplink), 'pref', preferences[name], 'protocol', name === 'ipv4' ? 'ip' : 'ipv6']
    await run(['tc', 'filter', 'add', ...place, 'u32', ...matches], { signal })
  }
}

/** Undoes it: an uplink that is no port of the bridge has its own MAC. */
export async function giveBackOwnFrames(stack: NodeStack, names: OwnFrameLinks, signal: AbortSignal): Promise<void> {
  const { rtnetlink, run } = stack
  const uplink = rtnetlink.link(names.uplink)
  const mac = uplink && ownMac(uplink)
  if (uplink === undefined || mac === undefined) return
  stack.enter(() => announceChanges(names))
  await deleteFilters(stack, names.uplink, signal)
  rtnetlink.changeLink(uplink.index, { mac, alias: '' })
  const others = await Promise.all(
    ['ingress', 'egress'].map(way => run(['tc', 'filter', 'show', 'dev', names.uplink, way], { signal, allowFailure: true })),
  )
  if (others.every(({ stdout }) => stdout.trim() === '')) {
    await run(['tc', 'qdisc', 'delete', 'dev', names.uplink, 'clsact'], { signal, allowFailure: true })
  }
}

async function deleteFilters({ run }: NodeStack, uplink: string, signal: AbortSignal): Promise<void> {
  for (const preference of Object.values(preferences)) {
    await run(['tc', 'filter', 'delete', ...hookOf(uplink), 'pref', preference], { signal, allowFailure: true })
  }
}

const hookOf = (uplink: string): readonly string[] => ['dev', uplink, 'ingress']

const ownMac = ({ alias }: Link): string | undefined => (alias?.startsWith(aliasPrefix) ? alias.slice(aliasPrefix.length) : undefined)

async function hasHook({ run }: NodeStack, uplink: string, signal: AbortSignal): Promise<boolean> {
  return (await run(['tc', 'qdisc', 'show', 'dev', uplink], { signal })).stdout.includes('clsact')
}

/** A device whose MAC changes tells its neighbours (a gratuitous ARP, an unsolicited advertisement). */
function announceChanges({ uplink, bridge, families }: OwnFrameLinks): void {
  for (const link of [uplink, bridge]) {
    ensureSysctl(`net/ipv4/conf/${link}/arp_notify`, '1')
    try {
      ensureSysctl(`net/ipv6/conf/${link}/ndisc_notify`, '1')
    } catch (error) {
      if (families.includes(6) || !isPodwireError(error, 'KERNEL_UNSUPPORTED')) throw error // A kernel without IPv6 needs none of it.
    }
  }
}
