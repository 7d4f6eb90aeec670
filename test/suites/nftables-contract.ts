import type { Test } from 'tap'

import type { Nftables } from '../../src/kernel/nftables.js'

const signal = AbortSignal.timeout(60_000)
const table = { family: 'ip', table: 'shop' } as const
const own = 'ip shop'
const first = `add table ${own}
add map ${own} doors { type ipv4_addr . inet_proto . inet_service : verdict; }
add set ${own} known { type ipv4_addr; flags interval; }
add chain ${own} inner
add chain ${own} outer { type filter hook input priority filter; policy accept; }
add rule ${own} inner drop
add rule ${own} outer ip daddr . meta l4proto . th dport vmap @doors
add element ${own} doors {
10.96.0.10 . tcp . 80 : goto inner
}
add element ${own} known {
10.0.0.0/24
}
`

/** What every `Nftables` does with chains, sets and elements. `make` gives one without tables. */
export async function nftablesContract(t: Test, make: () => Nftables): Promise<void> {
  const started = async () => {
    const nftables = make()
    await nftables.apply(first, signal)
    return nftables
  }

  await t.test('what was written is listed in the same words', async t => {
    const listed = await (await started()).list(table, signal)
    for (const part of [
      /^table ip shop \{$/m,
      /type ipv4_addr \. inet_proto \. inet_service : verdict/,
      /elements = \{ 10\.96\.0\.10 \. tcp \. 80 : goto inner \}/,
      /flags interval/,
      /elements = \{ 10\.0\.0\.0\/24 \}/,
      /type filter hook input priority filter; policy accept;/,
      /ip daddr \. meta l4proto \. th dport vmap @doors/,
    ]) {
      t.match(listed, part)
    }
  })

  await t.test('there is nothing to list where there is no table', async t => {
    const nftables = make()
    t.equal(await nftables.list(table, signal), undefined)
    await nftables.apply(`add table ${own}\ndelete table ${own}\n`, signal)
    t.equal(await nftables.list(table, signal), undefined)
  })

  await t.test('elements come and go, chains are emptied and refilled', async t => {
    const nftables = await started()
    await nftables.apply(
      `flush chain ${own} inner
add rule ${own} inner accept
delete element ${own} doors {
10.96.0.10 . tcp . 80
}
add element ${own} doors {
10.96.0.11 . udp . 53 : drop
}
delete element ${own} known {
10.0.0.0/24
}
`,
      signal,
    )
    const listed = (await nftables.list(table, signal)) ?? ''
    t.match(listed, /chain inner \{\n\t\taccept\n/)
    t.match(listed, /elements = \{ 10\.96\.0\.11 \. udp \. 53 : drop \}/)
    t.notMatch(listed, /10\.0\.0\.0/)
    t.notMatch(listed, /goto inner/)
  })

  const refusals: Readonly<Record<string, string>> = {
    'a rule in a chain that does not exist': `add rule ${own} none drop`,
    'a jump to a chain that does not exist': `add rule ${own} inner jump none`,
    'a look-up in a set that does not exist': `add rule ${own} inner ip saddr @none drop`,
    'removing an element that is not there': `delete element ${own} doors {\n10.96.0.99 . tcp . 80\n}`,
    'another value for a key': `add element ${own} doors {\n10.96.0.10 . tcp . 80 : drop\n}`,
    'removing a chain that a map leads to': `flush chain ${own} inner\ndelete chain ${own} inner`,
    'removing a set that a rule looks in': `delete map ${own} doors`,
    'a table that does not exist': 'add chain ip none inner',
    'a line that is no command': 'bogus',
  }
  for (const [what, command] of Object.entries(refusals)) {
    await t.test(`refuses ${what}, and the whole text with it`, async t => {
      const nftables = await started()
      const before = await nftables.list(table, signal)
      await t.rejects(nftables.apply(`add chain ${own} other\n${command}\n`, signal), { code: 'KERNEL_REFUSED' })
      t.equal(await nftables.list(table, signal), before)
    })
  }
}
