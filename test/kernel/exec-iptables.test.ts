import t from 'tap'

import { execIptables } from '../../src/kernel/exec-iptables.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns, type NetnsHandle } from '../../src/kernel/netns.js'
import { iptablesContract } from '../suites/iptables-contract.js'

const made: NetnsHandle[] = []
t.teardown(() => {
  for (const netns of made) netns.close()
})

await iptablesContract(t, () => {
  const netns = createNetns()
  made.push(netns)
  return execIptables(localMachine.enter(netns.path).run)
})
