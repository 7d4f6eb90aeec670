import { type FlowOutcome, type PlaceName, places, type ServiceFlow, secondAddress } from '../suites/service-flows.js'
import type { Answer, ServiceNetwork } from './service-network.js'

const failures: Readonly<Record<string, FlowOutcome>> = { ECONNREFUSED: 'refused', SILENCE: 'dropped', EHOSTUNREACH: 'untouched' }

/** Makes the connections of a flow for real, and says how they ended. */
export async function askServiceFlow(
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
