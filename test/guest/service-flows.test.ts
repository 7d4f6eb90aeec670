import t from 'tap'

import { ipvsProxy } from '../../src/proxy-ipvs/backend.js'
import { buildServiceState } from '../../src/service-model/build-service-state.js'
import { flowNodes, flowObjects, type ServiceFlow, serviceFlows, wantedOf } from '../suites/service-flows.js'
import { askServiceFlow } from '../support/ask-service-flow.js'
import { inGuest } from '../support/guest.js'
import { ipvsNode } from '../support/ipvs-node.js'
import { createServiceNetwork } from '../support/service-network.js'
import { syncTo } from '../support/sync-to.js'

const signal = AbortSignal.timeout(170_000)

await inGuest(import.meta.url, async () => {
  const network = await createServiceNetwork()
  t.teardown(() => network.close())
  const proxy = ipvsProxy(ipvsNode(network.nodeNetns, network.node))
  await syncTo(proxy, buildServiceState({ ...flowObjects, node: flowNodes.ipvs }), signal)
  for (const [name, flow] of Object.entries<ServiceFlow>(serviceFlows)) {
    const want = wantedOf(flow, 'ipvs')
    await t.test(name, async t => {
      t.strictSame(await askServiceFlow(network, flow, want), want)
    })
  }
})
