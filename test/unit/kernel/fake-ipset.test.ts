import t from 'tap'

import { createFakeIpset } from '../../../src/kernel/fake-ipset.js'
import { ipsetContract } from '../../suites/ipset-contract.js'

await ipsetContract(t, () => {
  const used = new Set<string>()
  return { ipset: createFakeIpset(name => used.has(name)), refer: async name => void used.add(name) }
})
