import t from 'tap'

import { execConntrack } from '../../src/kernel/exec-conntrack.js'
import { execIptables } from '../../src/kernel/exec-iptables.js'
import { execNftables } from '../../src/kernel/exec-nftables.js'
import type { Host } from '../../src/kernel/host.js'
import { iptablesProxy } from '../../src/proxy-iptables/backend.js'
import { nftablesProxy } from '../../src/proxy-nftables/backend.js'
import { buildServiceState } from '../../src/service-model/build-service-state.js'
import type { ServiceState } from '../../src/service-model/service-state.js'
import {
  type Backend,
  type FlowOutcome,
  flowNodes,
  flowObjects,
  type PlaceName,
  places,
  type ServiceFlow,
  secondAddress,
  serviceFlows,
  wantedOf,
} from '../suites/service-flows.js'
import { type Answer, createServiceNetwork, type ServiceNetwork } from '../support/service-network.js'
import { syncTo } from '../support/sync-to.js'

const signal = AbortSignal.timeout(120_000)
const failures: Readonly<Record<string, FlowOutcome>> = { ECONNREFUSED: 'refused', SILENCE: 'dropped', EHOSTUNREACH: 'untouched' }

const apply: Readonly<Record<Backend, (node: Host, state: ServiceState) => Promise<void>>> = {
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
        t.strictSame(await connect(network, flow, want), want)
      })
    }
  })
}

async function connect(
  network: ServiceNetwork,
  { from, to, port, protocol = 'tcp' }: ServiceFlow,
  want: FlowOutcome,
): Promise<FlowOutcome> {
  const place = from === 'localhost' ? 'node' : from
  const wanted = typeof want === 'string' ? [] : want.at
  const patience = { attempts: wanted.length > 0 ? 60 : 1, patienceMs: want === 'dropped' ? 500 : 5_000 }
  // Without a wanted place one attempt is made: "nobody" never answers.
  const ask = { ip: to, port, protocol, places: wanted.length > 0 ? wanted : ['nobody' as PlaceName], ...patience }
  // The node is given its second address to send from: masquerading to the first one could not be seen.
  const source = from === 'localhost' ? '127.0.0.1' : from === 'node' ? secondAddress : places[from]
  return outcomeOf(await network.ask(place, { ...ask, source }), source)
}

function outcomeOf({ answers, failure }: Answer, source: string): FlowOutcome {
  if (failure !== undefined) return failures[failure] ?? (failure as 'dropped')
  const seen = answers.map(answer => answer.split(' ') as [PlaceName, string])
  const masqueraded = seen.map(([, address]) => address !== source)
  if (new Set(masqueraded).size > 1) throw new Error(`masqueraded on some ways only: ${answers}`)
  const order = Object.keys(places)
  return {
    at: [...new Set(seen.map(([place]) => place))].sort((a, b) => order.indexOf(a) - order.indexOf(b)),
    masqueraded: masqueraded[0]!,
  }
}
