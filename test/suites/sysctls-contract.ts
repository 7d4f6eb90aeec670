import type { Test } from 'tap'

import type { Sysctls } from '../../src/kernel/sysctl.js'

/** What every `Sysctls` does; `make` gives one that has `net/ipv4/ip_forward` at 0 and nothing of the name `net/ipv4/nosuch`. */
export async function sysctlsContract(t: Test, make: () => Sysctls): Promise<void> {
  await t.test('a parameter holds what it was made to hold', async t => {
    const sysctls = make()
    t.equal(sysctls.read('net/ipv4/ip_forward'), '0')
    sysctls.ensure('net/ipv4/ip_forward', '1')
    sysctls.ensure('net/ipv4/ip_forward', '1')
    t.equal(sysctls.read('net/ipv4/ip_forward'), '1')
  })

  await t.test('a parameter that the kernel has not is named', async t => {
    const sysctls = make()
    const wanted = { code: 'KERNEL_UNSUPPORTED', message: /net\/ipv4\/nosuch/ }
    t.throws(() => sysctls.read('net/ipv4/nosuch'), wanted)
    t.throws(() => sysctls.ensure('net/ipv4/nosuch', '1'), wanted)
  })
}
