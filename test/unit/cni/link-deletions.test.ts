import t from 'tap'

import { leavingGroup, linkDeletions } from '../../../src/cni/link-deletions.js'
import { createFakeRtnetlink } from '../../../src/kernel/fake-rtnetlink.js'
import { kernelRefused } from '../../../src/kernel/syscalls.js'

/** A namespace with three pairs, and how often the kernel was told to delete. */
function setUp(answer: () => Promise<void> = async () => {}) {
  const rtnetlink = createFakeRtnetlink()
  for (const name of ['a', 'b', 'c']) rtnetlink.addVeth({ name, mtu: 1500, peer: { name: `${name}-peer` } })
  const orders: number[] = []
  const deleteLink = linkDeletions({
    ...rtnetlink,
    async deleteGroup(group) {
      orders.push(rtnetlink.links().filter(link => link.group === group).length)
      await answer()
      await rtnetlink.deleteGroup(group)
    },
  })
  return { rtnetlink, orders, deleteLink, names: () => rtnetlink.links().map(({ name }) => name) }
}

t.test('links that go at the same time are one change', async t => {
  const { orders, deleteLink, names } = setUp()
  await Promise.all([deleteLink('a'), deleteLink('b'), deleteLink('nobody')])
  t.strictSame([orders, names()], [[2], ['lo', 'c', 'c-peer']])
  await deleteLink('c')
  t.strictSame([orders, names()], [[2, 1], ['lo']])
  await deleteLink('c')
  t.strictSame(orders, [2, 1], 'nothing to do')
})

t.test('a link that is out of sight is gone, whatever the kernel still frees', async t => {
  let finish = () => {}
  const freed = new Promise<void>(resolve => {
    finish = resolve
  })
  const { rtnetlink, deleteLink } = setUp(() => freed)
  const deleted = deleteLink('a')
  await Promise.resolve()
  rtnetlink.deleteLink(rtnetlink.link('a')?.index ?? 0)
  await deleted
  t.equal(rtnetlink.link('a'), undefined)
  finish()
})

t.test('what the kernel refuses is told; a pair that its other end took along is no error', async t => {
  const refusing = setUp(async () => {
    throw kernelRefused('delete the links', 'EPERM')
  })
  await t.rejects(refusing.deleteLink('a'), { code: 'KERNEL_REFUSED' })
  t.equal(refusing.rtnetlink.link('a')?.group, leavingGroup, 'the next deletion takes it')
  const vanished = setUp(async () => vanished.rtnetlink.deleteLink(vanished.rtnetlink.link('a')?.index ?? 0))
  await vanished.deleteLink('a')
  t.strictSame(vanished.names(), ['lo', 'b', 'b-peer', 'c', 'c-peer'])
})
