import { ipOf } from '../../base/net/packet.js'
import type { HookVisit } from '../../kernel/parse-rule-trace.js'
import { changesBetween } from '../match-path.js'
import { inUrl } from '../send.js'
import type { Sighting } from '../trace.js'
import type { Evidence } from './evidence.js'
import { type ObjectNames, objectOfService } from './object-names.js'
import type { TableLookups } from './table-lookups.js'

/** Frame of a hop → what made it so, a line each. */
export type Explanations = ReadonlyMap<number, readonly string[]>

/**
 * Says of every hop of the first packet and of its answer by what it came to be so: the rules that the packet matched on that node, the conntrack
 * entry, the route, the neighbour and FDB entries, with the objects behind them.
 */
export async function explainHops(evidence: Evidence, names: ObjectNames, lookups: TableLookups): Promise<Explanations> {
  const explained = new Map<number, readonly string[]>()
  for (const trace of evidence.judged.traces) {
    for (const [leg, seen] of [
      ['path', trace.attempts[0] ?? []],
      ['reply', trace.reply],
    ] as const) {
      for (const [i, sighting] of seen.entries()) {
        const before = seen[i - 1]
        if (before === undefined) continue
        const lines = await explainHop({ sighting, before, leg }, evidence, { names, lookups })
        if (lines.length > 0) explained.set(sighting.frame, lines)
      }
    }
  }
  return explained
}

interface Hop {
  readonly sighting: Sighting
  readonly before: Sighting
  readonly leg: 'path' | 'reply'
}

async function explainHop(
  { sighting, before, leg }: Hop,
  { visits, facts, judged }: Evidence,
  { names, lookups }: { readonly names: ObjectNames; readonly lookups: TableLookups },
): Promise<readonly string[]> {
  const { host: node, headers, place } = sighting
  const changes = changesBetween(before.headers, headers)
  const here = visitsOf(visits.get(node) ?? [], sighting)
  const lines: string[] = []
  const isDestination = changes.includes('dst') || changes.includes('dport')
  const isSource = changes.includes('src') || changes.includes('sport')
  if (isDestination || isSource) {
    const rules = here.flatMap(translatingRules)
    const entry = judged.traces.flatMap(({ conntrack }) => conntrack).find(({ host }) => host === node)
    if (leg === 'path' && rules.length > 0) {
      lines.push(...rules)
      const element = await mapElementOf(here, { sighting, before }, lookups)
      if (element !== undefined) lines.push(`map element: ${element}`)
    } else if (entry !== undefined) {
      lines.push(
        `conntrack: ${tuple(entry.orig)}, reply ${tuple(entry.reply)}${entry.state === undefined ? '' : `, ${entry.state}`}${leg === 'reply' ? ': undoes the translation' : ''}`,
      )
    }
    const service = objectOfService(names, leg === 'path' ? before.headers : headers, leg)
    if (service !== undefined) lines.push(...service)
  }
  if (facts.hosts.has(node) && sighting.owner === node && sighting.dir === 'out') {
    const dst = headers.dst ?? ''
    if (place?.port === 'vxlan' || (changes.includes('ttl') && place?.port !== 'veth')) {
      const route = await lookups.route(node, dst)
      if (route !== undefined) lines.push(`route: ${route}`)
    }
    if (changes.includes('encap')) {
      const mac = headers.ethDst
      const entry = mac === undefined ? undefined : await lookups.fdb(node, mac)
      if (entry !== undefined) lines.push(`fdb: ${entry}`)
      const remote = [...facts.hosts.values()].find(({ tunnelAddress }) => tunnelAddress === headers.outer?.dst)
      if (remote !== undefined) lines.push(`Node ${remote.name} has the address ${remote.tunnelAddress}`)
    }
    if (place?.port === 'bridge') {
      const neighbour = await lookups.neighbour(node, dst)
      if (neighbour !== undefined) lines.push(`neighbour: ${neighbour}`)
    }
  }
  return lines
}

/** The visits of this very packet: by the identification in its IP header, or the flow label and length of IPv6, which stay. */
export function visitsOf(visits: readonly HookVisit[], { subject }: Sighting): readonly HookVisit[] {
  const ip = ipOf(subject)
  if (ip === undefined) return []
  if (ip.kind === 'ipv4') return visits.filter(({ packet }) => packet.ipId === ip.id)
  const length = ip.totalLength - ipv6HeaderLength
  return visits.filter(({ packet }) => packet.flowLabel === ip.flowLabel && packet.payloadLength === length)
}

const ipv6HeaderLength = 40

/** The chains by which a packet came to be translated, and the rule that did it. */
function translatingRules({ family, table, chain, rules }: HookVisit): readonly string[] {
  const last = rules.at(-1)
  if (last === undefined || !/\b(dnat|snat|masquerade|redirect)\b/i.test(last.text)) return []
  const chains = [chain, ...rules.slice(0, -1).flatMap(({ verdict }) => /^(?:jump|goto) (\S+)$/.exec(verdict)?.[1] ?? [])]
  return [`rule: ${family} ${table} ${[...new Set(chains)].join(' → ')}: ${plainRule(last.text)}`]
}

/** The element of the map in which the rule that translated looked the destination up. */
async function mapElementOf(
  visits: readonly HookVisit[],
  { sighting, before }: Pick<Hop, 'sighting' | 'before'>,
  lookups: TableLookups,
): Promise<string | undefined> {
  for (const { family, table, rules } of visits) {
    const text = rules.at(-1)?.text ?? ''
    const element = await lookups.mapElement(sighting.host, { family, table, text, before: before.headers, after: sighting.headers })
    if (element !== undefined) return element
  }
  return undefined
}

/** Counters say nothing of the rule itself. */
export const plainRule = (text: string): string =>
  text
    .replace(/counter packets \d+ bytes \d+ ?/g, '')
    .replace(/\s+/g, ' ')
    .trim()

const tuple = ({ src, dst, sport, dport }: { src: string; dst: string; sport?: number | undefined; dport?: number | undefined }): string =>
  `${endText(src, sport)} → ${endText(dst, dport)}`

const endText = (ip: string, port: number | undefined): string => (port === undefined ? ip : `${inUrl(ip)}:${port}`)
