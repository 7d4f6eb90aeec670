import t from 'tap'

import { directPods, handMadeNodes, podwireNodes, routedPods } from '../../src/bench/pod-nodes.js'
import { cniWorkload } from '../../src/bench/workloads/cni.js'
import { pingFrom } from '../support/datapath-rig.js'

const signal = AbortSignal.timeout(100_000)

t.test('what is measured moves packets: each way as ours and by hand, with the same hops', async t => {
  for (const way of ['vxlan', 'routed', 'bridge'] as const) {
    const ttls = []
    for (const make of [podwireNodes, handMadeNodes]) {
      const nodes = await make(way, signal)
      t.teardown(nodes.close)
      ttls.push([nodes.near, nodes.far].map(({ address }) => pingFrom(nodes.client.netns, address)))
    }
    t.strictSame(ttls[0], ttls[1], way)
    t.equal(ttls[0]?.[0], 64, `${way}: the neighbour is on the same bridge`)
    t.ok((ttls[0]?.[1] ?? 0) >= 62, `${way}: the other node answers`)
  }
  const routed = await routedPods()
  t.teardown(routed.close)
  t.equal(pingFrom(routed.client.netns, routed.near.address), 63, 'the node routes')
  const direct = await directPods(signal)
  t.teardown(direct.close)
  t.equal(pingFrom(direct.client.netns, direct.near.address), 64)
})

t.test('a sample of each case has every metric of every arm', async t => {
  const context = { scale: 'quick', givenArms: new Map<string, string>(), say: () => {} } as const
  const cases = cniWorkload.cases(context)
  t.ok(cases.length >= 6)
  for (const { name, metrics, baseline, prepare } of cases.filter(({ name }) => name === 'a Pod' || name === 'other node, vxlan')) {
    const { arms, missing = [], close } = await prepare(context, signal)
    try {
      t.strictSame(missing, [])
      t.ok(arms.some(arm => arm.name === baseline))
      for (const arm of arms) {
        const sample = await arm.measure(signal)
        for (const metric of metrics) t.ok((sample[metric.name] ?? 0) > 0, `${name}: ${arm.name}: ${metric.name}`)
      }
    } finally {
      await close()
    }
  }
})
