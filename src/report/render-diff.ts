import type { FlowRecord, RunRecord } from '../base/results/run-record.js'
import { diffRuns, type FlowDifference } from './diff-runs.js'
import { ladderSvg } from './ladder-svg.js'
import { html, type Markup } from './markup.js'
import { ladderStyle, pageStyle, palette } from './style.js'

const sideBySide = `
.pair{display:grid;grid-template-columns:1fr 1fr;gap:14px}
@media (max-width:900px){.pair{grid-template-columns:1fr}}
.pair h3{margin:0 0 6px}
.parting{border-left:4px solid var(--bad);background:var(--bad-ground);padding:8px 14px;margin:0 0 12px;border-radius:0 6px 6px 0}
.parting code{display:block;overflow-wrap:anywhere}
`

/** Two runs as one page: of each flow that differs both ladders side by side, and above them the first hop in which they part. */
export function renderDiff(good: RunRecord, bad: RunRecord): string {
  const { same, differing, alone } = diffRuns(good, bad)
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>podwire: two runs compared</title>
<style>${{ markup: palette + ladderStyle + pageStyle + sideBySide }}</style>
</head>
<body>
<header><h1>podwire: two runs compared</h1>
<p>${runText('good', good)}<br>${runText('bad', bad)}</p>
<p>${same.length} flows the same, <b>${differing.length} differ</b>, ${alone.length} in one run only</p></header>
<main>
${differing.map((difference, i) => flowPair(difference, { good, bad, id: `diff-${i + 1}` }))}
${alone.length > 0 && html`<section class="flow"><h2>In one run only</h2><ul>${alone.map(({ name, run }) => html`<li>${name} <span class="soft">in the ${run} run</span></li>`)}</ul></section>`}
</main>
<footer>Places, directions and what changed are compared; addresses, ports and times of two runs differ and do not count.</footer>
</body>
</html>
`
  return page.markup
}

const runText = (name: string, { startedAt, lab }: RunRecord): string =>
  `${name}: lab ${lab.name}, ${lab.datapath}, ${lab.proxy}, ${startedAt.replace('T', ' ').replace(/\.\d+/, '')}`

interface Runs {
  readonly good: RunRecord
  readonly bad: RunRecord
  readonly id: string
}

function flowPair({ name, before, good: wanted, bad: seen }: FlowDifference, { good, bad, id }: Runs): Markup {
  const ladderOf = ({ flows }: RunRecord, run: 'good' | 'bad'): Markup => {
    const flow = flows.find((each): each is FlowRecord => each.name === name)
    return html`<div><h3>${run}: ${flow?.outcome}</h3>${flow !== undefined && flow.ladder.length > 0 && html`<div class="picture">${ladderSvg(flow, `${id}-${run}`)}</div>`}</div>`
  }
  return html`<section class="flow" id="${id}"><h2>${name}</h2>
<div class="parting">${before.map(line => html`<code>&nbsp; ${line}</code>`)}<code>− ${wanted ?? '(nothing more)'}</code><code>+ ${seen ?? '(nothing more)'}</code></div>
<div class="pair">${ladderOf(good, 'good')}${ladderOf(bad, 'bad')}</div></section>
`
}
