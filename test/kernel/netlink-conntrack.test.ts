import { execFileSync } from 'node:child_process'
import t from 'tap'

import { parseIp } from '../../src/base/net/address.js'
import { forgetFlowsOf, forgetListedFlowsOf } from '../../src/kernel/netlink-conntrack.js'
import { createNetns, withNetns } from '../../src/kernel/netns.js'

const run = (...argv: readonly [string, ...string[]]): string =>
  execFileSync(argv[0], argv.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })

for (const [way, forget] of Object.entries({ 'by a filter of the kernel': forgetFlowsOf, 'one by one': forgetListedFlowsOf })) {
  t.test(`the flows of one address are forgotten ${way}`, async t => {
    const netns = createNetns()
    t.teardown(() => netns.close())
    withNetns(netns.path, () => {
      run('ip', 'link', 'set', 'lo', 'up')
      for (const n of [1, 2, 3]) {
        run('ip', 'address', 'add', `10.1.1.${n}/32`, 'dev', 'lo')
        run('ip', 'address', 'add', `fd00::${n}/128`, 'dev', 'lo', 'nodad')
      }
      // The kernel tracks only where a rule asks for it.
      run('nft', 'add table inet t; add chain inet t o { type filter hook output priority 0; }; add rule inet t o ct state new')
      // A busy machine may lose the first.
      const ping = (from: string, to: string, attempts = 3): string => {
        try {
          return run('busybox', 'ping', '-c', '1', '-W', '2', '-I', from, to)
        } catch (error) {
          if (attempts === 1) throw error
          return ping(from, to, attempts - 1)
        }
      }
      for (const prefix of ['10.1.1.', 'fd00::']) {
        ping(`${prefix}1`, `${prefix}2`)
        ping(`${prefix}2`, `${prefix}1`)
        ping(`${prefix}2`, `${prefix}3`)
      }
      const flows = (family: string) =>
        run('conntrack', '-L', '-f', family)
          .split('\n')
          .flatMap(line => /src=(\S+) dst=(\S+)/.exec(line)?.slice(1).join(' ') ?? [])
          .sort()
      t.strictSame(flows('ipv4'), ['10.1.1.1 10.1.1.2', '10.1.1.2 10.1.1.1', '10.1.1.2 10.1.1.3'])
      forget(parseIp('10.1.1.1'))
      t.strictSame(flows('ipv4'), ['10.1.1.2 10.1.1.3'], 'begun and answered by it')
      t.equal(flows('ipv6').length, 3)
      forget(parseIp('fd00::3'))
      t.strictSame(flows('ipv6'), ['fd00::1 fd00::2', 'fd00::2 fd00::1'])
      forget(parseIp('192.0.2.1'))
      t.equal(flows('ipv4').length, 1)
    })
  })
}
