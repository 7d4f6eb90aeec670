import t from 'tap'

import { execIpset } from '../../src/kernel/exec-ipset.js'
import { execIptables } from '../../src/kernel/exec-iptables.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { openIpvs } from '../../src/kernel/netlink-ipvs.js'
import { openRtnetlink } from '../../src/kernel/netlink-rtnetlink.js'
import { createNetns, type NetnsHandle, withNetns } from '../../src/kernel/netns.js'
import { ipsetContract } from '../suites/ipset-contract.js'
import { iptablesContract } from '../suites/iptables-contract.js'
import { ipvsContract } from '../suites/ipvs-contract.js'
import { dummyContract } from '../suites/rtnetlink.js'
import { inGuest } from '../support/guest.js'

await inGuest(import.meta.url, async () => {
  const netns = (): NetnsHandle => {
    const handle = createNetns()
    t.teardown(() => handle.close())
    return handle
  }

  await t.test('ipvs', t =>
    ipvsContract(t, () => {
      const { path } = netns()
      // Without any address the kernel takes all addresses for broadcast ones and refuses them as destinations.
      return withNetns(path, () => {
        const rtnetlink = openRtnetlink()
        rtnetlink.changeLink(rtnetlink.link('lo')!.index, { up: true })
        rtnetlink.close()
        return openIpvs()
      })
    }),
  )
  await t.test('dummy devices', t => dummyContract(t, () => withNetns(netns().path, openRtnetlink)))
  await t.test('ipset', t =>
    ipsetContract(t, () => {
      const { run } = localMachine.enter(netns().path)
      const rule = (name: string) => ['iptables-legacy', '-A', 'INPUT', '-m', 'set', '--match-set', name, 'dst', '-j', 'DROP']
      return { ipset: execIpset(run), refer: async name => void (await run(rule(name))) }
    }),
  )
  await t.test('legacy iptables', t => iptablesContract(t, () => execIptables(localMachine.enter(netns().path).run, 4, 'legacy')))
})
