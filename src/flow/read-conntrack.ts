import type { IpFamily } from '../base/net/address.js'
import type { ConntrackRecord } from '../base/results/run-record.js'
import type { ConntrackEntry } from '../kernel/conntrack.js'
import { execConntrack } from '../kernel/exec-conntrack.js'
import type { HostFacts, LabFacts } from './lab-facts.js'
import type { PlannedExchange, SentExchange } from './send.js'

/** Tells what the nodes track of one exchange. */
export type ReadConntrack = (facts: LabFacts, sent: SentExchange) => Promise<readonly ConntrackRecord[]>

/** Reads each node's table once a protocol, when it is first asked for. */
export function conntrackReader(signal: AbortSignal): ReadConntrack {
  const tables = new Map<string, Promise<readonly ConntrackEntry[]>>()
  const tableOf = (
    { name, host }: HostFacts,
    family: IpFamily,
    protocol: PlannedExchange['protocol'],
  ): Promise<readonly ConntrackEntry[]> => {
    const key = `${name} ${family} ${protocol}`
    const table = tables.get(key) ?? execConntrack(host.run, family).list(protocol, signal)
    tables.set(key, table)
    return table
  }
  return async (facts, sent) => {
    const nodes = [...facts.hosts.values()].filter(({ role }) => role === 'node')
    const found = await Promise.all(
      nodes.map(async node =>
        (await tableOf(node, facts.family, sent.planned.protocol)).filter(isOf(sent)).map(entry => conntrackRecord(node.name, entry)),
      ),
    )
    return found.flat()
  }
}

/** A masqueraded connection is tracked once more on the server's node, with the new source: found by what the first entry's reply goes to. */
const isOf =
  ({ planned: { client, target }, sourcePort, result }: SentExchange) =>
  ({ orig }: ConntrackEntry): boolean =>
    orig.dst === target.ip &&
    orig.sport === sourcePort &&
    (client.kind === 'host' && client.role === 'node' ? true : [client.ip, result.localAddress].includes(orig.src))

/** An entry in the form in which runs are recorded. */
export function conntrackRecord(host: string, { protocol, state, orig, reply, isAssured, isUnreplied }: ConntrackEntry): ConntrackRecord {
  const isDnat = reply.src !== orig.dst || reply.sport !== orig.dport
  const isSnat = reply.dst !== orig.src || reply.dport !== orig.sport
  const words = [state, isAssured ? 'ASSURED' : undefined, isUnreplied ? 'UNREPLIED' : undefined].filter(word => word !== undefined)
  return {
    host,
    protocol,
    orig: { ...orig },
    reply: { ...reply },
    ...(words.length > 0 && { state: words.join(' ') }),
    nat: [...(isSnat ? (['snat'] as const) : []), ...(isDnat ? (['dnat'] as const) : [])],
  }
}
