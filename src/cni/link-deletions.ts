import { setTimeout as wait } from 'node:timers/promises'

import type { Rtnetlink } from '../kernel/rtnetlink.js'
import { errnoOf } from '../kernel/syscalls.js'

/** The group of Pod interfaces that are on their way out, of whichever network: RTM_DELLINK takes a whole group. */
export const leavingGroup = 0x70_6f_64_77

/** Each occupies a thread of the pool until the kernel has freed the links. */
const mostAtOnce = 2
const pollMs = 1

/**
 * Deletes links by name, those that are asked for while others go as one change of the kernel's. Resolves when the link is out of sight and its packets are:
 * the kernel has freed it some 20 ms later, for which nobody needs to wait. One that was gone is no error.
 *
 * What a process that dies leaves in the group goes with the next deletion.
 */
export function linkDeletions(rtnetlink: Pick<Rtnetlink, 'link' | 'changeLink' | 'deleteGroup'>): (name: string) => Promise<void> {
  const freeing = new Set<Promise<void>>()
  /** The one that has not begun, and takes what comes until it does. */
  let next: Promise<{ readonly freed: Promise<void> }> | undefined

  async function deleteAll(): Promise<{ readonly freed: Promise<void> }> {
    while (freeing.size >= mostAtOnce) await Promise.race(freeing)
    next = undefined
    const freed = unlessGone(() => rtnetlink.deleteGroup(leavingGroup))
    const settled = freed.catch(() => {}).finally(() => freeing.delete(settled))
    freeing.add(settled)
    return { freed }
  }

  return async name => {
    const link = rtnetlink.link(name)
    if (link === undefined) return
    await unlessGone(() => rtnetlink.changeLink(link.index, { group: leavingGroup }))
    next ??= Promise.resolve().then(deleteAll)
    const { freed } = await next
    const end = freed.then(
      () => ({ error: undefined }),
      (error: unknown) => ({ error }),
    )
    while (rtnetlink.link(name)?.index === link.index) {
      const ended = await Promise.race([end, wait(pollMs)])
      if (ended !== undefined && ended.error !== undefined) throw ended.error
    }
  }
}

/** The namespace at a veth's other end may go at the same moment, and takes the pair with it. */
async function unlessGone(work: () => void | Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (errnoOf(error) !== 'ENODEV') throw error
  }
}
