import t from 'tap'

import { parseIp } from '../../../src/base/net/address.js'
import { renderState } from '../../../src/proxy-iptables/plan.js'
import { buildServiceState } from '../../../src/service-model/build-service-state.js'
import {
  type FlowOutcome,
  flowNodes,
  flowObjects,
  type PlaceName,
  places,
  type ServiceFlow,
  secondAddress,
  serviceFlows,
  wantedOf,
} from '../../suites/service-flows.js'
import { type TraceResult, traceIptables } from '../../support/trace-iptables.js'

const rules = renderState(buildServiceState({ ...flowObjects, node: flowNodes.iptables }))
const localAddresses = [places.node, secondAddress]

for (const [name, flow] of Object.entries<ServiceFlow>(serviceFlows)) {
  t.test(name, async t => {
    t.strictSame(trace(flow), wantedOf(flow, 'iptables'))
  })
}

function trace({ from, to, port, protocol = 'tcp' }: ServiceFlow): FlowOutcome {
  const isOwn = from === 'node' || from === 'localhost'
  const source = from === 'localhost' ? parseIp('127.0.0.1') : places[from]
  const inInterface = isOwn ? undefined : ['client', 'near', 'near2'].includes(from) ? `veth-${from}` : 'eth0'
  const packet = { source, destination: parseIp(to), dport: port, protocol, inInterface }
  return outcomeOf(traceIptables(rules, packet, localAddresses))
}

/** One outcome of all ways a packet can take; ways that end differently are a defect. */
function outcomeOf(results: readonly TraceResult[]): FlowOutcome {
  const outcomes = results.map((result): FlowOutcome => {
    if (typeof result === 'string') return result
    const place = (Object.keys(places) as PlaceName[]).find(name => `${places[name]}:8080` === result.to)
    return place === undefined ? 'untouched' : { at: [place], masqueraded: result.masqueraded }
  })
  return outcomes.reduce((a, b) => {
    if (typeof a === 'string' || typeof b === 'string') return a === b ? a : (`${JSON.stringify(a)} or ${JSON.stringify(b)}` as 'dropped')
    if (a.masqueraded !== b.masqueraded) throw new Error('masqueraded on some ways only')
    return { at: [...new Set([...a.at, ...b.at])], masqueraded: a.masqueraded }
  })
}
