import type { ConntrackRecord } from '../base/results/run-record.js'
import type { ConntrackEntry } from '../kernel/conntrack.js'
import { execConntrack } from '../kernel/exec-conntrack.js'
import type { HostFacts, LabFacts } from './lab-facts.js'
import type { SentExchange } from './send.js'

/** What the nodes track of one exchange. */
export async function readConntrack(facts: LabFacts, sent: SentExchange, signal: AbortSignal): Promise<readonly ConntrackRecord[]> {
  const nodes = [...facts.hosts.values()].filter(({ role }) => role === 'node')
  return (await Promise.all(nodes.map(node => readHost(node, sent, signal)))).flat()
}

async function readHost(
  { name, host }: HostFacts,
  { planned, sourcePort, result }: SentExchange,
  signal: AbortSignal,
): Promise<readonly ConntrackRecord[]> {
  const entries = await execConntrack(host.run).list(planned.protocol, signal)
  const { client, target } = planned
  const sources = [client.ip, result.localAddress]
  // A masqueraded connection is tracked once more on the server's node, with the new source: found by what the first entry's reply goes to.
  const isFirst = ({ orig }: ConntrackEntry): boolean =>
    orig.dst === target.ip &&
    orig.sport === sourcePort &&
    (client.kind === 'host' && client.role === 'node' ? true : sources.includes(orig.src))
  return entries.filter(isFirst).map(entry => toRecord(name, entry))
}

function toRecord(host: string, { protocol, state, orig, reply, isAssured, isUnreplied }: ConntrackEntry): ConntrackRecord {
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
