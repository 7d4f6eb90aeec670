import type { CauseRecord } from '../base/results/run-record.js'
import { html, type Markup } from './markup.js'

/** Why a packet ended where it did: the cause, its place, what shows it, and the command that mends it. */
export function whyCard({ code, message, where, evidence, mend }: CauseRecord): Markup {
  return html`<div class="card why"><h4>${message}</h4>
<p class="soft"><code>${code}</code>${where !== undefined && html` at <code>${where}</code>`}</p>
${evidence.length > 0 && html`<ul>${evidence.map(line => html`<li><code>${line}</code></li>`)}</ul>`}
${mend !== undefined && html`<p>Next: <code>${mend}</code></p>`}</div>`
}
