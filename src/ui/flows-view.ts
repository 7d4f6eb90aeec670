import type { FlowRecord } from '../base/results/run-record.js'
import { seenLive } from '../flow/live/live-flows.js'
import { conntrackCard } from '../report/conntrack-card.js'
import { headerPeels } from '../report/header-peel.js'
import { ladderSvg } from '../report/ladder-svg.js'
import { html, type Markup } from '../report/markup.js'
import { whyCard } from '../report/why-card.js'

/** A conversation in the list: seen as it passed, or sent from this page. */
export interface ListedFlow {
  readonly id: string
  readonly record: FlowRecord
}

const signs: Readonly<Record<FlowRecord['verdict'], string>> = { pass: '✓', fail: '✕', error: '?', warn: '!', skip: '–' }

/** The conversations, newest first. */
export function flowListView(flows: readonly ListedFlow[], chosen: string | undefined): Markup {
  if (flows.length === 0)
    return html`<p class="soft">Nothing has been sent yet. Send a packet above, or use the lab: <code>kubectl exec</code>, <code>wget</code>, <code>ping</code>.</p>`
  return html`<ol class="flows">${flows.map(
    ({ id, record }) =>
      html`<li><button type="button" id="flow-${id}" data-do="choose ${id}" aria-pressed="${id === chosen ? 'true' : 'false'}"><span class="badge ${record.verdict}">${signs[record.verdict]} ${record.outcome}</span> ${record.name} <span class="soft">${record.ladder.filter(({ kind }) => kind === 'seen').length} hops</span></button></li>
`,
  )}</ol>`
}

/** The ladder of one conversation up to `step` steps, with everything known of it. */
export function ladderView({ record }: ListedFlow, step: number | undefined): Markup {
  const shown = step === undefined ? record : { ...record, ladder: record.ladder.slice(0, step) }
  const last = shown.ladder.at(-1)
  const by = last?.hop?.by ?? []
  return html`<h3>${record.name}</h3>
<p><span class="mono">${record.sent}</span>: ${record.outcome}${record.file === seenLive && record.durationMs > 0 && html` in ${record.durationMs.toFixed(2)} ms`}</p>
<p class="steps"><button type="button" id="step-back" data-do="step -1">◀ step back</button> <button type="button" id="step-on" data-do="step 1">step ▶</button> <button type="button" id="step-all" data-do="step all">all ${record.ladder.length}</button>${step !== undefined && html` <span>step ${step} of ${record.ladder.length}</span>`}</p>
${step !== undefined && last !== undefined && html`<p class="note"><b>${last.at} ${last.dir}</b>: ${last.hop?.changes.join(', ') || last.hop?.summary || last.expected}${by.map(line => html`<br>↳ ${line}`)}</p>`}
${shown.ladder.length > 0 && html`<div class="picture">${ladderSvg(shown, 'live')}</div>`}
${(record.causes?.length ?? 0) > 0 && html`<div class="cards">${record.causes?.map(whyCard)}</div>`}
${record.findings.length > 0 && html`<ul class="findings">${record.findings.map(({ message, severity }) => html`<li class="${severity}">${message}</li>`)}</ul>`}
${explained(record)}
${headerPeels(record)}
${record.conntrack.length > 0 && html`<h4>Connection tracking</h4><div class="cards">${record.conntrack.map(conntrackCard)}</div>`}`
}

/** Of a flow that was traced: what did each change. */
function explained({ ladder }: FlowRecord): Markup | false {
  const steps = ladder.filter(({ hop }) => (hop?.by?.length ?? 0) > 0)
  if (steps.length === 0) return false
  return html`<details id="explained" open><summary>What did it, hop by hop</summary><table><tbody>${steps.map(
    ({ at, dir, hop }) =>
      html`<tr><td class="mono">${at} ${dir}</td><td class="mono">${hop?.by?.map((line, i) => html`${i > 0 && html`<br>`}${line}`)}</td></tr>
`,
  )}</tbody></table></details>`
}
