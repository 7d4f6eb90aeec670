import type { FlowRecord, MatrixRecord } from '../base/results/run-record.js'
import { html, type Markup } from './markup.js'

/** Who reaches whom: what was seen in each cell, which leads to its ladder; what was expected beside it where the two differ. */
export function matrixTable({ name, rows, columns, cells }: MatrixRecord, flows: readonly FlowRecord[]): Markup {
  const at = new Map(cells.map(cell => [`${cell.row} ${cell.column}`, cell]))
  const indexes = new Map(flows.map((flow, i) => [flow.name, i + 1]))
  const differing = cells.filter(({ verdict }) => verdict === 'fail' || verdict === 'error').length
  return html`<section class="flow"><h2>Who reaches whom: ${name}</h2>
<p class="soft">A dot gets through, X does not. ${differing === 0 ? 'All is as expected.' : html`<b class="alarm">${differing} of ${cells.length} are not as expected.</b>`} A cell leads to its ladder.</p>
<div class="wide"><table class="matrix"><thead><tr><th scope="col"></th>${columns.map(column => html`<th scope="col"><span>${column}</span></th>`)}</tr></thead>
<tbody>${rows.map(
    (
      row,
      i,
    ) => html`<tr><th scope="row">${row}</th>${columns.map((column, j) => matrixCell(at.get(`${i} ${j}`), { row, column, indexes }))}</tr>
`,
  )}</tbody></table></div></section>
`
}

const words = { '.': 'gets through', X: 'does not get through', '#': 'not asked' } as const

function matrixCell(
  cell: MatrixRecord['cells'][number] | undefined,
  { row, column, indexes }: { readonly row: string; readonly column: string; readonly indexes: ReadonlyMap<string, number> },
): Markup {
  if (cell === undefined) return html`<td class="none" title="${row} does not ask ${column}">#</td>`
  const { expected, seen, verdict, flow } = cell
  const isWrong = verdict === 'fail' || verdict === 'error'
  const text = expected === seen ? seen : `${seen} (${expected})`
  const title = `${row} → ${column}: ${words[seen]}${isWrong ? `; expected: ${words[expected]}${expected === seen ? ', by another way' : ''}` : ''}`
  return html`<td class="${isWrong ? 'wrong' : seen === '.' ? 'through' : 'stopped'}"><a href="#flow-${indexes.get(flow)}" title="${title}">${isWrong ? `✘ ${text}` : text}</a></td>`
}
