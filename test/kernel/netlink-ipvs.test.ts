import t from 'tap'

import { isPodwireError } from '../../src/base/errors/podwire-error.js'
import { openIpvs, requireIpvs } from '../../src/kernel/netlink-ipvs.js'
import { createNetns, withNetns } from '../../src/kernel/netns.js'

t.test('IPVS is there, or its absence is named with what else can be done', async t => {
  const netns = createNetns()
  t.teardown(() => netns.close())
  let error: unknown
  try {
    withNetns(netns.path, requireIpvs)
  } catch (caught) {
    error = caught
  }
  if (error === undefined) t.strictSame(withNetns(netns.path, openIpvs).servers(), [])
  else {
    t.ok(isPodwireError(error, 'KERNEL_UNSUPPORTED'))
    t.match(error, { message: /ip_vs/, hint: /modprobe ip_vs.*proxy: nftables/ })
    t.throws(() => withNetns(netns.path, openIpvs), { code: 'KERNEL_UNSUPPORTED' })
  }
})
