import t from 'tap'

import { LiveFlows } from '../../../../src/flow/live/live-flows.js'
import { liveSnapshot, passing } from '../../../support/live-lab.js'

const world = liveSnapshot()

t.test('a conversation fills hop by hop, and an answer is none of its own', async t => {
  const live = new LiveFlows()
  const outcomes: string[] = []
  const lengths: number[] = []
  for (const sighting of passing(41000)) {
    live.see(sighting, world)
    const record = live.recordOf(live.flows[0]!, world)
    outcomes.push(record.outcome)
    lengths.push(record.ladder.length)
  }
  t.strictSame(lengths, [1, 2, 3, 4, 5, 6, 7, 8], 'each frame is a step')
  t.equal(outcomes[5], 'no answer yet')
  t.equal(outcomes[7], 'answered')
  t.equal(live.flows.length, 1)
  const { name, bound, ladder } = live.recordOf(live.flows[0]!, world)
  t.equal(name, 'shop/client → svc shop/web:80')
  t.strictSame(Object.keys(bound), ['client', 'server'])
  t.strictSame(ladder[1]?.hop?.changes, ['dst 10.96.0.10:80 → 10.244.2.7:8080'])
  t.strictSame(ladder.at(-1)?.at, 'client:eth0')
})

t.test('a packet sent again belongs to the same conversation, and says so', async t => {
  const live = new LiveFlows()
  const [first] = passing(41000)
  for (const delay of [0n, 1_000_000_000n]) live.see({ ...first!, timeNs: first!.timeNs + delay }, world)
  t.equal(live.flows.length, 1)
  t.equal(live.recordOf(live.flows[0]!, world).reason, 'sent 2 times, no answer yet')
})

t.test('what came first is forgotten first', async t => {
  const live = new LiveFlows()
  for (let port = 20_000; port < 21_000; port++) for (const sighting of passing(port)) live.see(sighting, world)
  t.ok(live.flows.length <= 120, `${live.flows.length} kept`)
  t.equal(live.packets, 8_000)
  t.equal(live.flows[0]?.exchange.sourcePort, 20_999)
  t.equal(live.recordOf(live.flows[0]!, world).outcome, 'answered')
})

t.test('the answer of a Pod that was asked as a Service begins nothing', async t => {
  const live = new LiveFlows()
  const isUdp = (sighting: ReturnType<typeof passing>[number]) => {
    const { transport } = sighting.subject
    const { sport = 0, dport = 0 } = sighting.headers
    const datagram = { kind: 'udp' as const, sport, dport, length: 8 }
    return {
      ...sighting,
      subject: { ...sighting.subject, transport: transport && datagram },
      headers: { ...sighting.headers, proto: 'udp' as const },
    }
  }
  for (const sighting of passing(41000)) live.see(isUdp(sighting), world)
  t.strictSame(
    live.flows.map(({ exchange }) => exchange.sender),
    ['shop/client'],
  )
})

t.test('the headers of each hop and their bytes', async t => {
  const live = new LiveFlows()
  for (const sighting of passing(41000)) live.see(sighting, world)
  const hops = live.recordOf(live.flows[0]!, world).ladder.map(({ hop }) => hop)
  t.strictSame(hops[0]?.layers, [
    { name: 'IPv4', bytes: 20 },
    { name: 'TCP', bytes: 20 },
  ])
  const uplink = hops[3]
  t.strictSame(
    uplink?.layers?.map(({ name, bytes }) => `${name} ${bytes}`),
    ['outer IPv4 20', 'UDP 8', 'VXLAN 1 8', 'inner Ethernet 14', 'IPv4 20', 'TCP 20'],
  )
  t.equal(uplink?.mtu, 1500)
})
