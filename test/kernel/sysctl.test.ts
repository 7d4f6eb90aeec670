import t from 'tap'

import { createNetns, withNetns } from '../../src/kernel/netns.js'
import { kernelSysctls, readSysctl } from '../../src/kernel/sysctl.js'
import { sysctlsContract } from '../suites/sysctls-contract.js'

const before = readSysctl('net/ipv4/ip_forward')

await sysctlsContract(t, () => {
  const netns = createNetns()
  t.teardown(() => netns.close())
  const sysctls = kernelSysctls(fn => withNetns(netns.path, fn))
  sysctls.ensure('net/ipv4/ip_forward', '0') // A namespace may begin with the value of another one.
  return sysctls
})

t.test("this machine's own namespace stays as it was", async t => {
  t.equal(readSysctl('net/ipv4/ip_forward'), before)
})
