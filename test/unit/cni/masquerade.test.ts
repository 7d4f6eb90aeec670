import t from 'tap'

import { parseCidr } from '../../../src/base/net/address.js'
import { ensureMasquerade } from '../../../src/cni/masquerade.js'
import { fakeIptables } from '../../../src/kernel/fake-iptables.js'

const signal = new AbortController().signal

t.test("Pods keep their address inside the cluster and get the node's outside", async t => {
  const iptables = fakeIptables()
  const ranges = { nodeRange: parseCidr('10.244.1.0/24'), clusterRange: parseCidr('10.244.0.0/16') }
  await iptables.restore('*nat\n:FOREIGN - [0:0]\n-A POSTROUTING -j FOREIGN\nCOMMIT\n', signal)
  const rules = async () => (await iptables.save('nat', signal)).split('\n').filter(line => line.startsWith('-A'))
  await ensureMasquerade(iptables, ranges, signal)
  const wanted = [
    '-A POSTROUTING -j FOREIGN',
    '-A POSTROUTING -m comment --comment "podwire: Pod traffic that leaves the cluster" -j PODWIRE-MASQ',
    '-A PODWIRE-MASQ -d 10.244.0.0/16 -j RETURN',
    '-A PODWIRE-MASQ -d 224.0.0.0/4 -j RETURN',
    '-A PODWIRE-MASQ -s 10.244.1.0/24 -j MASQUERADE --random-fully',
  ]
  t.strictSame((await rules()).sort(), [...wanted].sort())
  await ensureMasquerade(iptables, ranges, signal)
  t.strictSame((await rules()).sort(), [...wanted].sort(), 'twice is once')
  await ensureMasquerade(iptables, { ...ranges, nodeRange: parseCidr('10.244.7.0/24') }, signal)
  t.strictSame(
    (await rules()).filter(rule => rule.includes('-s')),
    ['-A PODWIRE-MASQ -s 10.244.7.0/24 -j MASQUERADE --random-fully'],
  )
})
