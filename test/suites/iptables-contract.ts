import type { Test } from 'tap'

import type { Iptables } from '../../src/kernel/iptables.js'

const signal = AbortSignal.timeout(60_000)
const text = (...lines: string[]): string => `${lines.join('\n')}\n`
const nat = (...lines: string[]): string => text('*nat', ...lines, 'COMMIT')

/** What every `Iptables` does with chains and rules. `make` gives one whose tables are empty. */
export async function iptablesContract(t: Test, make: () => Iptables): Promise<void> {
  const chains = async (iptables: Iptables) => (await iptables.save('nat', signal)).split('\n').filter(line => /^(:KUBE|-A )/.test(line))

  await t.test('restore makes chains and rules, save prints them as they were written', async t => {
    const iptables = make()
    const rules = [
      '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      '-A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/kube-dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-A',
    ]
    await iptables.restore(nat(':KUBE-SVC-A - [0:0]', ':KUBE-SERVICES - [0:0]', ...rules), signal)
    t.strictSame(
      (await chains(iptables)).filter(line => line.startsWith('-A')),
      rules,
    )
  })

  await t.test('a chain is there, with rules or without, or it is not', async t => {
    const iptables = make()
    await iptables.restore(nat(':KUBE-A - [0:0]', ':KUBE-B - [0:0]', '-A KUBE-A -j ACCEPT'), signal)
    t.ok(await iptables.hasChain('nat', 'KUBE-A', signal))
    t.ok(await iptables.hasChain('nat', 'KUBE-B', signal))
    t.notOk(await iptables.hasChain('nat', 'KUBE-C', signal))
    t.notOk(await iptables.hasChain('mangle', 'KUBE-A', signal))
  })

  await t.test('naming a chain empties it and leaves the others alone', async t => {
    const iptables = make()
    await iptables.restore(nat(':KUBE-A - [0:0]', ':KUBE-B - [0:0]', '-A KUBE-A -j ACCEPT', '-A KUBE-B -j RETURN'), signal)
    await iptables.restore(nat(':KUBE-A - [0:0]'), signal)
    t.strictSame(await chains(iptables), [':KUBE-A - [0:0]', ':KUBE-B - [0:0]', '-A KUBE-B -j RETURN'])
  })

  await t.test('-I puts at the head, -D removes the one rule that is equal, -X an empty chain', async t => {
    const iptables = make()
    await iptables.restore(
      nat(':KUBE-A - [0:0]', ':KUBE-B - [0:0]', '-A KUBE-A -s 10.0.0.1/32 -j KUBE-B', '-A KUBE-A -s 10.0.0.2/32 -j KUBE-B'),
      signal,
    )
    await iptables.restore(nat('-I KUBE-A -s 10.0.0.3/32 -j KUBE-B', '-D KUBE-A -s 10.0.0.1/32 -j KUBE-B'), signal)
    t.strictSame(await chains(iptables), [
      ':KUBE-A - [0:0]',
      ':KUBE-B - [0:0]',
      '-A KUBE-A -s 10.0.0.3/32 -j KUBE-B',
      '-A KUBE-A -s 10.0.0.2/32 -j KUBE-B',
    ])
    await iptables.restore(nat(':KUBE-A - [0:0]', ':KUBE-B - [0:0]', '-X KUBE-A', '-X KUBE-B'), signal)
    t.strictSame(await chains(iptables), [])
  })

  const refusals: Readonly<Record<string, readonly string[]>> = {
    'a rule in a chain that does not exist': ['-A KUBE-NONE -j ACCEPT'],
    'a jump to a chain that does not exist': ['-A KUBE-A -j KUBE-NONE'],
    'removing a rule that is not there': ['-D KUBE-A -s 10.9.9.9/32 -j ACCEPT'],
    'removing a chain that is not there': ['-X KUBE-NONE'],
    'removing a chain that is jumped to': [':KUBE-B - [0:0]', '-X KUBE-B'],
    'removing a chain that has rules': ['-X KUBE-A'],
    'removing a chain and leaving the jump to it': [':KUBE-B - [0:0]', '-X KUBE-B', ':KUBE-C - [0:0]'],
    'a line that is no rule': ['bogus'],
  }
  for (const [what, lines] of Object.entries(refusals)) {
    await t.test(`refuses ${what}, and the whole section with it`, async t => {
      const iptables = make()
      await iptables.restore(nat(':KUBE-A - [0:0]', ':KUBE-B - [0:0]', '-A KUBE-A -j KUBE-B', '-A KUBE-B -j ACCEPT'), signal)
      const before = await chains(iptables)
      await t.rejects(iptables.restore(nat('-A KUBE-A -s 10.0.0.7/32 -j ACCEPT', ...lines), signal), { code: 'KERNEL_REFUSED' })
      t.strictSame(await chains(iptables), before)
    })
  }

  await t.test('sections before a refused one are carried out', async t => {
    const iptables = make()
    await t.rejects(iptables.restore(text('*filter', ':KUBE-F - [0:0]', 'COMMIT', '*nat', '-A KUBE-NONE -j ACCEPT', 'COMMIT'), signal), {
      code: 'KERNEL_REFUSED',
      message: /-A KUBE-NONE -j ACCEPT/,
    })
    t.match(await iptables.save('filter', signal), /^:KUBE-F - \[0:0\]$/m)
  })
}
