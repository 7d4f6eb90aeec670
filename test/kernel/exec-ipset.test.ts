import t from 'tap'

import { execIpset } from '../../src/kernel/exec-ipset.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns } from '../../src/kernel/netns.js'
import { ipsetContract } from '../suites/ipset-contract.js'

await ipsetContract(t, () => {
  const netns = createNetns()
  t.teardown(() => netns.close())
  const { run } = localMachine.enter(netns.path)
  const rule = (name: string) => ['iptables-nft', '-w', '-A', 'INPUT', '-m', 'set', '--match-set', name, 'dst', '-j', 'DROP']
  return { ipset: execIpset(run), refer: async name => void (await run(rule(name))) }
})
