import type { Finding, FlowRecord, LadderStep, RunRecord, Verdict } from '../base/results/run-record.js'
import { conntrackCard } from './conntrack-card.js'
import { headerPeels } from './header-peel.js'
import { ladderSvg } from './ladder-svg.js'
import { html, type Markup } from './markup.js'
import { matrixTable } from './matrix-table.js'
import { ladderStyle, pageStyle, palette } from './style.js'
import { whyCard } from './why-card.js'

/**
 * One run as one HTML page: verdicts, the hop ladder of every flow, the same as a table, findings, conntrack entries.
 * The page needs no network and no scripts, follows light and dark mode, and prints.
 */
export function renderReport(record: RunRecord): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>podwire ${record.lab.name}: ${verdictTitle(record)}</title>
<style>${{ markup: palette + ladderStyle + pageStyle }}</style>
</head>
<body>
<header>
<h1>podwire: packet flows of lab ${record.lab.name}</h1>
${verdictBar(record)}
</header>
<main>
${(record.matrices ?? []).map(matrix => matrixTable(matrix, record.flows))}
${record.flows.length === 0 ? html`<p class="alarm">No flow ran.</p>` : flowIndex(record)}
${record.flows.map((flow, i) => flowSection(flow, `flow-${i + 1}`, record.pcapng))}
</main>
<footer>A hop is a packet seen at one interface in one direction. The same packet is recognised by what address translation leaves alone, never by time. Nodes of a namespace lab share one kernel and its clock.</footer>
</body>
</html>
`
  return page.markup
}

const verdictWords: Readonly<Record<Verdict, string>> = {
  pass: 'passed',
  fail: 'failed',
  error: 'could not tell',
  skip: 'skipped',
  warn: 'warned',
}
const verdictSigns: Readonly<Record<Verdict, string>> = { pass: '✔', fail: '✘', error: '?', skip: '–', warn: '!' }
const verdictOrder: readonly Verdict[] = ['pass', 'warn', 'fail', 'error', 'skip']

const count = ({ flows }: RunRecord, verdict: Verdict): number => flows.filter(flow => flow.verdict === verdict).length

const verdictTitle = (record: RunRecord): string =>
  verdictOrder
    .filter(verdict => count(record, verdict) > 0)
    .map(verdict => `${count(record, verdict)} ${verdictWords[verdict]}`)
    .join(', ')

function verdictBar(record: RunRecord): Markup {
  const shown = verdictOrder.filter(verdict => verdict !== 'warn' || count(record, verdict) > 0)
  const { lab, machine } = record
  return html`<ul class="counts">${shown.map(
    verdict =>
      html`<li class="${count(record, verdict) === 0 ? 'none' : verdict}"><b>${count(record, verdict)}</b>${verdictSigns[verdict]} ${verdictWords[verdict]}</li>`,
  )}</ul>
${shareBar(record)}
<dl class="facts">
<div><dt>Started</dt><dd>${record.startedAt.replace('T', ' ').replace(/\.\d+/, '')}</dd></div>
<div><dt>Took</dt><dd>${(record.durationMs / 1000).toFixed(1)} s</dd></div>
<div><dt>Nodes</dt><dd>${lab.nodes.join(', ')}</dd></div>
<div><dt>Modes</dt><dd>${lab.substrate}, ${lab.datapath}, ${lab.proxy}</dd></div>
<div><dt>Kernel</dt><dd>${machine.kernel}</dd></div>
<div><dt>Machine</dt><dd>${machine.cpus} CPUs, Node.js ${machine.node}</dd></div>
<div><dt>Capture</dt><dd>${record.pcapng === undefined ? 'none' : html`<a href="./${encodeURIComponent(record.pcapng)}">${record.pcapng}</a>`}</dd></div>
<div><dt>Packets the capture lost</dt><dd${record.packetsLost > 0 && html` class="alarm"`}>${record.packetsLost}</dd></div>
</dl>`
}

/** The verdicts as shares of one bar. */
function shareBar(record: RunRecord): Markup {
  let x = 0
  const parts = verdictOrder.map(verdict => {
    const width = (100 * count(record, verdict)) / Math.max(1, record.flows.length)
    x += width
    return width > 0 && html`<rect class="${verdict}" x="${(x - width).toFixed(2)}" width="${width.toFixed(2)}" height="8"/>`
  })
  return html`<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">${parts}</svg>`
}

function flowIndex({ flows }: RunRecord): Markup {
  return html`<div class="wide"><table>
<thead><tr><th>Verdict</th><th>Flow</th><th>Sent</th><th class="number">Hops there</th><th class="number">Hops back</th><th>Outcome</th></tr></thead>
<tbody>${flows.map(
    (flow, i) =>
      html`<tr><td>${badge(flow.verdict)}</td><td><a href="#flow-${i + 1}">${flow.name}</a></td><td>${flow.sent}</td><td class="number">${seenHops(flow, 'path')}</td><td class="number">${seenHops(flow, 'reply')}</td><td>${flow.reason ?? flow.outcome}</td></tr>
`,
  )}</tbody></table></div>`
}

const badge = (verdict: Verdict): Markup => html`<span class="badge ${verdict}">${verdictSigns[verdict]} ${verdictWords[verdict]}</span>`

const seenHops = ({ ladder }: FlowRecord, leg: LadderStep['leg']): number =>
  ladder.filter(step => step.leg === leg && step.kind === 'seen').length

function flowSection(flow: FlowRecord, id: string, pcapng: string | undefined): Markup {
  return html`<section class="flow" id="${id}">
<div class="head">${badge(flow.verdict)}<h2>${flow.name}</h2><span class="soft mono">${flow.file}</span></div>
${flow.description !== undefined && html`<p>${flow.description}</p>`}
<p class="sent"><b>${flow.sent}</b> <span class="soft">→</span> ${flow.outcome}, in ${flow.durationMs.toFixed(0)} ms${unwatched(flow)}</p>
${flow.reason !== undefined && flow.findings.length === 0 && html`<p class="soft">${flow.reason}</p>`}
<ul class="roles">${Object.entries(flow.bound).map(([alias, target]) => html`<li><b>${alias}</b> <span class="soft">${target}</span></li>`)}</ul>
${flow.findings.length > 0 && html`<ul class="findings">${flow.findings.map(finding)}</ul>`}
${(flow.causes?.length ?? 0) > 0 && html`<h3>Why</h3><div class="cards">${flow.causes?.map(whyCard)}</div>`}
${flow.ladder.length > 0 && picture(flow, id, pcapng)}
${headerPeels(flow)}
${flow.conntrack.length > 0 && html`<h3>Connection tracking</h3><div class="cards">${flow.conntrack.map(conntrackCard)}</div>`}
</section>
`
}

/** Looking must not change what happens. */
function unwatched({ outcome, outcomeUnwatched }: FlowRecord): Markup | undefined {
  if (outcomeUnwatched === undefined) return undefined
  if (outcomeUnwatched === outcome) return html`<span class="soft">; the same without any capture running</span>`
  return html`<span class="alarm">; without any capture running: ${outcomeUnwatched}</span>`
}

function finding({ severity, message, where, why, nearest, frame }: Finding): Markup {
  return html`<li class="${severity}"><p><b>${message}</b></p>
${why !== undefined && !message.includes(why) && html`<p>because ${why}</p>`}
${nearest !== undefined && html`<p>Nearest packet seen: <code>${nearest}</code>${frame !== undefined && html` (frame ${frame})`}</p>`}
${where !== undefined && html`<p class="soft"><code>${where}</code></p>`}</li>`
}

function picture(flow: FlowRecord, id: string, pcapng: string | undefined): Markup {
  const has = (kind: LadderStep['kind']) => flow.ladder.some(step => step.kind === kind)
  return html`<div class="picture">${ladderSvg(flow, id)}</div>
<p class="legend"><span><b class="there">●▶ there</b></span><span><b class="back">○▷ back</b></span>${has('missing') && html`<span><b class="bad">◌ dashed</b> expected, not seen</span>`}${has('forbidden') && html`<span><b class="bad">✕ solid red</b> seen where it must not be</span>`}<span>labels name only what changed since the hop before</span></p>
<details><summary>The same as a table: ${flow.ladder.length} steps</summary>
<div class="wide"><table><thead><tr><th class="number">#</th><th>Leg</th><th>At</th><th>Dir</th><th>Interface</th><th>Packet</th><th>Changed</th><th class="number">µs</th><th class="number">Frame</th></tr></thead>
<tbody>${flow.ladder.map((step, i) => tableRow(step, i, flow.ladder))}</tbody></table></div>
${pcapng !== undefined && html`<p class="soft">In Wireshark open <code>${pcapng}</code> and go to the frame (Ctrl-G).</p>`}</details>`
}

function tableRow(step: LadderStep, i: number, ladder: readonly LadderStep[]): Markup {
  const { kind, leg, at, dir, hop, expected } = step
  const said = kind === 'missing' ? `not seen${expected === undefined ? '' : `: ${expected}`}` : (hop?.summary ?? '')
  const changed = kind === 'forbidden' ? 'must not be here' : (hop?.changes.join(', ') ?? '')
  return html`<tr class="${kind}"><td class="number">${i + 1}</td><td>${leg === 'path' ? 'there' : 'back'}</td><td class="mono">${at}</td><td>${dir}</td><td class="mono">${hop ? `${hop.owner} ${hop.interface}` : ''}</td><td class="mono">${said}</td><td class="mono">${changed}${(hop?.by ?? []).map(line => html`<br><span class="soft">↳ ${line}</span>`)}</td><td class="number">${microsSinceFirst(step, ladder)}</td><td class="number">${hop?.frame}</td></tr>
`
}

/** Hops of one kernel share a clock, so that differences mean something. */
function microsSinceFirst({ hop }: LadderStep, ladder: readonly LadderStep[]): string {
  const first = ladder.find(step => step.hop !== undefined)?.hop
  if (!hop || !first) return ''
  return String((BigInt(hop.timeNs) - BigInt(first.timeNs)) / 1000n)
}
