import t from 'tap'

import { parseIptablesSave, parseNftRuleset } from '../../../src/ui/node-tables.js'
import { countHits } from '../../../src/ui/tables-view.js'

t.test('rules with their counters, of iptables and nftables', async t => {
  t.strictSame(parseIptablesSave('*nat\n:KUBE-SVC-A - [0:0]\n[12:720] -A KUBE-SVC-A -j KUBE-SEP-B\nCOMMIT\n'), [
    { chain: 'nat KUBE-SVC-A', rule: '-j KUBE-SEP-B', packets: 12 },
  ])
  const nft =
    'table ip nat {\n\tchain KUBE-SVC-A {\n\t\tcounter packets 1 bytes 60 jump KUBE-SEP-B\n\t}\n}\n' +
    'table ip podwire {\n\tchain services {\n\t\tip daddr 10.96.0.10 counter packets 3 bytes 180 goto web\n\t}\n}\n'
  t.strictSame(parseNftRuleset(nft), [{ chain: 'ip podwire services', rule: 'ip daddr 10.96.0.10 goto web', packets: 3 }])
})

t.test('what a rule counted since the first look; a rule made anew begins again', async t => {
  const rule = (packets: number) => ({ host: 'node-1', chain: 'nat A', rule: '-j B', packets })
  const first = countHits([], [rule(5)], 1)
  t.equal(first[0]?.hits, 0)
  const second = countHits(first, [rule(7)], 2)
  t.match(second[0], { hits: 2, hitAt: 2 })
  t.match(countHits(second, [rule(7)], 3)[0], { hits: 2, hitAt: 2 }, 'at rest it keeps what it had')
  t.match(countHits(second, [rule(1)], 3)[0], { hits: 0, first: 1 })
})
