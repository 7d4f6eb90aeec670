import t from 'tap'

import { execConntrack } from '../../src/kernel/exec-conntrack.js'
import { execIptables } from '../../src/kernel/exec-iptables.js'
import { execNftables } from '../../src/kernel/exec-nftables.js'
import type { Host } from '../../src/kernel/host.js'
import { iptablesProxy } from '../../src/proxy-iptables/backend.js'
import { nftablesProxy } from '../../src/proxy-nftables/backend.js'
import { buildServiceState } from '../../src/service-model/build-service-state.js'
import type { ServiceState } from '../../src/service-model/service-state.js'
import { flowNodes, flowObjects, type ServiceFlow, serviceFlows, wantedOf } from '../suites/service-flows.js'
import { askServiceFlow } from '../support/ask-service-flow.js'
import { createServiceNetwork } from '../support/service-network.js'
import { syncTo } from '../support/sync-to.js'

const signal = AbortSignal.timeout(120_000)

/** IPVS has its turn in the guest kernel (test/guest). */
const apply: Readonly<Record<'iptables' | 'nftables', (node: Host, state: ServiceState) => Promise<void>>> = {
  iptables: (node, state) => syncTo(iptablesProxy({ iptables: execIptables(node.run), conntrack: execConntrack(node.run) }), state, signal),
  nftables: (node, state) => syncTo(nftablesProxy({ nftables: execNftables(node.run), conntrack: execConntrack(node.run) }), state, signal),
}

for (const backend of ['iptables', 'nftables'] as const) {
  t.test(backend, async t => {
    const network = await createServiceNetwork()
    t.teardown(() => network.close())
    await apply[backend](network.node, buildServiceState({ ...flowObjects, node: flowNodes[backend] }))
    for (const [name, flow] of Object.entries<ServiceFlow>(serviceFlows)) {
      const want = wantedOf(flow, backend)
      await t.test(name, async t => {
        t.strictSame(await askServiceFlow(network, flow, want), want)
      })
    }
  })
}
