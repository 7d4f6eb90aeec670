import { readdirSync } from 'node:fs'
import t from 'tap'

import { openRtnetlink } from '../../src/kernel/netlink-rtnetlink.js'
import { createNetns, withNetns } from '../../src/kernel/netns.js'
import { rtnetlinkContract } from '../suites/rtnetlink.js'

const closers: (() => void)[] = []
t.teardown(() => {
  for (const close of closers) close()
})
const newNetns = () => {
  const netns = createNetns()
  closers.push(() => netns.close())
  return netns
}

await rtnetlinkContract(t, () => {
  const rtnetlink = withNetns(newNetns().path, openRtnetlink)
  closers.push(() => rtnetlink.close())
  return rtnetlink
})

t.test('a refusal carries the words of the extended ACK', async t => {
  const rtnetlink = withNetns(newNetns().path, openRtnetlink)
  t.teardown(() => rtnetlink.close())
  rtnetlink.addBridge({ name: 'br0', mtu: 1500 })
  const { index } = rtnetlink.link('br0')!
  t.throws(() => rtnetlink.changeLink(index, { mtu: 60 }), {
    message: `change link ${index} (mtu): EINVAL, invalid argument (mtu less than device minimum)`,
  })
})

t.test('a link goes to the namespace it is made for', async t => {
  const [near, far] = [newNetns(), newNetns()]
  const rtnetlink = withNetns(near.path, openRtnetlink)
  rtnetlink.addVeth({ name: 'v0', mtu: 1500, peer: { name: 'eth0', netnsFd: far.fd, mac: '0a:58:00:00:00:09' } })
  const inside = withNetns(far.path, openRtnetlink)
  t.match(inside.link('eth0'), { mac: '0a:58:00:00:00:09', mtu: 1500 })
  rtnetlink.changeLink(rtnetlink.link('v0')!.index, { netnsFd: far.fd })
  t.equal(rtnetlink.link('v0'), undefined)
  t.equal(inside.link('v0')?.name, 'v0')
  for (const one of [rtnetlink, inside]) one.close()
})

t.test('a group of links goes as a whole, in the namespace the socket was opened in', async t => {
  const open = () => {
    const rtnetlink = withNetns(newNetns().path, openRtnetlink)
    closers.push(() => rtnetlink.close())
    for (const name of ['a', 'b', 'c']) rtnetlink.addVeth({ name, mtu: 1500, group: name === 'c' ? 8 : 7, peer: { name: `${name}0` } })
    return rtnetlink
  }
  const [near, other] = [open(), open()]
  await near.deleteGroup(7)
  const names = [near, other].map(rtnetlink =>
    rtnetlink
      .links()
      .map(({ name }) => name)
      .filter(name => /^[abc]$/.test(name)),
  )
  t.strictSame(names, [['c'], ['a', 'b', 'c']])
  await t.rejects(near.deleteGroup(7), { code: 'KERNEL_REFUSED', message: 'delete the links of group 7: ENODEV, no such device' })
})

t.test('a listing longer than one answer is complete', async t => {
  const rtnetlink = withNetns(newNetns().path, openRtnetlink)
  rtnetlink.addBridge({ name: 'br0', mtu: 1500 })
  const { index: link } = rtnetlink.link('br0')!
  rtnetlink.changeLink(link, { up: true })
  const started = performance.now()
  for (let i = 0; i < 2000; i++) rtnetlink.replaceRoute({ destination: `10.${i >> 8}.${i & 255}.0/24`, link })
  t.comment(`2000 routes took ${(performance.now() - started).toFixed(0)} ms`)
  t.equal(rtnetlink.routes().filter(({ destination }) => destination.startsWith('10.')).length, 2000)
  rtnetlink.close()
})

t.test('sockets are given back', async t => {
  const open = () => readdirSync('/proc/self/fd').length
  const before = open()
  for (let i = 0; i < 20; i++) openRtnetlink().close()
  t.equal(open(), before)
})
