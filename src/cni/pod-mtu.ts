import type { Attachment } from '../base/config/attachment.js'
import { isPodwireError } from '../base/errors/podwire-error.js'
import type { Rtnetlink } from '../kernel/rtnetlink.js'
import { inNetns } from './pod-interface.js'

/**
 * Gives the interfaces of Pods that exist the largest packet of the node's present datapath, at both ends. TCP connections follow: the kernel asks the
 * device at each segment. A Pod whose namespace is gone is left to its DEL.
 */
export function ensurePodMtu(rtnetlink: Rtnetlink, pods: readonly Pick<Attachment, 'netns' | 'ifname' | 'hostVeth'>[], mtu: number): void {
  const links = new Map(rtnetlink.links().map(link => [link.name, link]))
  for (const { netns, ifname, hostVeth } of pods) {
    const host = links.get(hostVeth)
    if (host === undefined) continue
    if (host.mtu !== mtu) rtnetlink.changeLink(host.index, { mtu })
    try {
      inNetns(netns, inside => {
        const link = inside.link(ifname)
        if (link !== undefined && link.mtu !== mtu) inside.changeLink(link.index, { mtu })
      })
    } catch (error) {
      if (!isPodwireError(error, 'NOT_FOUND')) throw error
    }
  }
}
