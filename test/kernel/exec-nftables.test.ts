import t from 'tap'

import { execNftables } from '../../src/kernel/exec-nftables.js'
import { localMachine } from '../../src/kernel/local-machine.js'
import { createNetns, type NetnsHandle } from '../../src/kernel/netns.js'
import { nftablesContract } from '../suites/nftables-contract.js'

const made: NetnsHandle[] = []
t.teardown(() => {
  for (const netns of made) netns.close()
})

await nftablesContract(t, () => {
  const netns = createNetns()
  made.push(netns)
  return execNftables(localMachine.enter(netns.path).run)
})
