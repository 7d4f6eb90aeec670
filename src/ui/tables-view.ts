import type { ConntrackRecord } from '../base/results/run-record.js'
import { html, type Markup } from '../report/markup.js'
import type { CountedRule, NodeTables } from './node-tables.js'

const shownRules = 40
const shownEntries = 40

/** Rules that decide about somebody's packets stand before those that every packet passes. */
const weight = ({ chain, rule }: CountedRule): number =>
  /KUBE-(SVC|SEP|EXT|FW)|DNAT|MASQUERADE|REJECT|DROP|\bdnat\b|\bdrop\b|\breject\b/.test(`${chain} ${rule}`) ? 1 : 0

/** The rules that counted a packet since the page looked first; those that counted at the last look are marked. */
export function rulesView(rules: readonly HitRule[]): Markup {
  const hit = rules.filter(({ hits }) => hits > 0).toSorted((a, b) => weight(b) - weight(a) || b.hitAt - a.hitAt || b.hits - a.hits)
  if (hit.length === 0) return html`<p class="soft">No rule has counted a packet since this page looks.</p>`
  const newest = Math.max(...hit.map(({ hitAt }) => hitAt))
  return html`<div class="wide"><table><thead><tr><th>Node</th><th class="number">Hits</th><th class="number">All</th><th>Rule</th></tr></thead><tbody>${hit
    .slice(0, shownRules)
    .map(
      ({ host, chain, rule, packets, hits, hitAt }) =>
        html`<tr${hitAt === newest && html` class="lit"`}><td>${host}</td><td class="number">+${hits}</td><td class="number">${packets}</td><td class="mono"><b>${chain}</b> ${rule}</td></tr>
`,
    )}</tbody></table></div>${hit.length > shownRules && html`<p class="soft">and ${hit.length - shownRules} more</p>`}`
}

/** A rule with what it counted since it was first looked at. */
export interface HitRule extends CountedRule {
  readonly first: number
  readonly hits: number
  /** Number of the look at which it counted last. */
  readonly hitAt: number
}

/** Takes the counters of one more look. Rules that are gone are forgotten. Pure. */
export function countHits(before: readonly HitRule[], now: readonly CountedRule[], look: number): readonly HitRule[] {
  const known = new Map(before.map(rule => [keyOf(rule), rule]))
  return now.map(rule => {
    const old = known.get(keyOf(rule))
    // A counter that has become less belongs to a rule that was made anew.
    if (old === undefined || rule.packets < old.packets) return { ...rule, first: rule.packets, hits: 0, hitAt: 0 }
    return { ...rule, first: old.first, hits: rule.packets - old.first, hitAt: rule.packets > old.packets ? look : old.hitAt }
  })
}

const keyOf = ({ host, chain, rule }: CountedRule): string => `${host} ${chain} ${rule}`

/** Translated connections first: they are what a lesson is about. */
export function conntrackView(entries: readonly ConntrackRecord[]): Markup {
  const shown = entries.toSorted((a, b) => b.nat.length - a.nat.length)
  if (shown.length === 0) return html`<p class="soft">No connection is tracked.</p>`
  return html`<div class="wide"><table><thead><tr><th>Node</th><th>State</th><th>As sent</th><th>Reply</th><th>NAT</th></tr></thead><tbody>${shown
    .slice(0, shownEntries)
    .map(
      ({ host, protocol, state, orig, reply, nat }) =>
        html`<tr><td>${host}</td><td>${protocol} ${state}</td><td class="mono">${tuple(orig)}</td><td class="mono">${tuple(reply)}</td><td>${nat.join(' ')}</td></tr>
`,
    )}</tbody></table></div>${shown.length > shownEntries && html`<p class="soft">and ${shown.length - shownEntries} more</p>`}`
}

const tuple = ({ src, sport, dst, dport }: ConntrackRecord['orig']): string => `${end(src, sport)} → ${end(dst, dport)}`
const end = (address: string, port: number | undefined): string =>
  port === undefined ? address : address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

/** Routes, forwarding entries and virtual servers, a node each. */
export function routesView(tables: readonly NodeTables[]): Markup {
  const list = (title: string, lines: readonly string[]) => lines.length > 0 && html`<h4>${title}</h4><pre>${lines.join('\n')}</pre>`
  return html`${tables.map(
    ({ host, routes, fdb, virtualServers }) =>
      html`<details id="routes-${host}"><summary>${host}</summary>${list('routes', routes)}${list('forwarding entries of the tunnel', fdb)}${list('virtual servers', virtualServers)}</details>`,
  )}`
}
