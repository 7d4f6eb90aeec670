import type { FlowRecord } from '../base/results/run-record.js'
import { type Chip, type HostBox, type LadderLayout, type Lane, type Leg, layOutLadder, type Rung, sizes } from './ladder-layout.js'
import { html, type Markup } from './markup.js'
import { ladderStyle, palette } from './style.js'

/** The hop ladder of one flow as inline SVG; colours come from the page's style. `id` must be unique in the page. */
export function ladderSvg(flow: FlowRecord, id: string): Markup {
  return drawing(flow, layOutLadder(flow), id, undefined)
}

/** The same as a file of its own: it carries its style and follows the reader's light or dark mode. */
export function standaloneLadderSvg(flow: FlowRecord): string {
  const layout = layOutLadder(flow)
  const style: Markup = { markup: `<style>${palette}${ladderStyle}</style>` }
  return `${drawing(flow, layout, 'ladder', style).markup}\n`
}

function drawing(flow: FlowRecord, layout: LadderLayout, id: string, style: Markup | undefined): Markup {
  const { width, height, boxes, legs } = layout
  return html`<svg xmlns="http://www.w3.org/2000/svg" class="ladder" viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" height="${round(height)}" role="img" aria-labelledby="${id}-title ${id}-desc">
<title id="${id}-title">Hops of ${flow.name}</title>
<desc id="${id}-desc">${description(flow)}</desc>
${style}<defs>${arrowHead(id, 'path')}${arrowHead(id, 'reply')}${arrowHead(id, 'bad')}${arrowHead(id, 'lost')}</defs>
<rect class="paper" width="${round(width)}" height="${round(height)}" rx="6"/>
${boxes.map(box => drawBox(box, layout))}${legs.map(leg => drawLeg(leg, layout, id))}</svg>`
}

/** What the picture shows, in words, for those who do not see it; the table below it has every detail. */
function description({ ladder, sent, outcome }: FlowRecord): string {
  const missing = ladder.filter(({ kind }) => kind === 'missing').length
  const forbidden = ladder.filter(({ kind }) => kind === 'forbidden').length
  const seen = ladder.length - missing - forbidden
  return `${sent}: ${outcome}. ${seen} hops seen, ${missing} expected and not seen, ${forbidden} seen where forbidden.`
}

const arrowHead = (id: string, look: string): Markup =>
  html`<marker id="${id}-${look}" class="head ${look}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 1 10 5 0 9z"/></marker>`

function drawBox({ name, x, width, lanes }: HostBox, { laneTop, laneBottom }: LadderLayout): Markup {
  const top = sizes.margin
  return html`<g class="host"><rect x="${round(x)}" y="${top}" width="${round(width)}" height="${round(laneBottom - top)}" rx="8"/><text class="host-name" x="${round(x + width / 2)}" y="${top + 17}">${name}</text>${lanes.map(lane => drawLane(lane, laneTop, laneBottom))}</g>
`
}

function drawLane({ x, title, role, tooltip, isPod }: Lane, laneTop: number, laneBottom: number): Markup {
  const center = round(x)
  const pod =
    isPod &&
    html`<rect class="pod" x="${round(x - sizes.laneGap / 2 + 4)}" y="${laneTop - 40}" width="${sizes.laneGap - 8}" height="${round(laneBottom - laneTop + 34)}" rx="6"/>`
  return html`<g><title>${tooltip}</title>${pod}<line class="lane" x1="${center}" x2="${center}" y1="${laneTop - 4}" y2="${round(laneBottom - 10)}"/><text class="role" x="${center}" y="${laneTop - 26}">${short(isPod ? role : 'node', 12)}</text><text class="port" x="${center}" y="${laneTop - 12}">${short(title, 12)}</text></g>`
}

function drawLeg({ name, top, rungs }: Leg, layout: LadderLayout, id: string): Markup {
  const y = round(top + 12)
  return html`<g class="leg ${name}"><text class="leg-name" x="${sizes.margin}" y="${y}">${name === 'path' ? 'there' : 'back'}</text>
${rungs.map(rung => drawRung(rung, name, layout, id))}</g>
`
}

function drawRung({ step, x, y, from, chips }: Rung, leg: Leg['name'], { labelRight }: LadderLayout, id: string): Markup {
  const look = step.kind === 'forbidden' ? 'bad' : step.kind === 'missing' || from?.kind === 'missing' ? 'lost' : leg
  const firstChip = chips[0]
  const leader =
    firstChip && html`<line class="leader" x1="${round(x + 6)}" x2="${round(firstChip.x - 3)}" y1="${round(y)}" y2="${round(y)}"/>`
  return html`<g class="rung ${step.kind}"><title>${tooltipOf(step)}</title><text class="at" x="${round(labelRight)}" y="${round(y + 4)}">${step.at} ${step.dir}</text>${leader}${from && arrow(from, { x, y }, look, id)}${dot(step.kind, x, y)}${chips.map(drawChip)}</g>
`
}

function drawChip({ lines, look, x, y, width, height }: Chip): Markup {
  const left = round(x + sizes.chipPadding)
  const text = lines.map((line, i) => html`<tspan x="${left}" y="${round(y + 4 + i * sizes.lineHeight)}">${line}</tspan>`)
  return html`<g class="chip ${look}"><rect x="${round(x)}" y="${round(y - sizes.chipHeight / 2)}" width="${width}" height="${height}" rx="4"/><text>${text}</text></g>`
}

function tooltipOf({ at, dir, hop, expected }: Rung['step']): string {
  if (!hop) return `${at} ${dir}: ${expected ?? 'expected here, not seen'}`
  return `${hop.owner} ${hop.interface} ${dir}: ${hop.summary}${hop.frame === undefined ? '' : ` (frame ${hop.frame})`}`
}

interface Point {
  readonly x: number
  readonly y: number
}

/** From dot to dot, with room for both dots. */
function arrow(from: Point, to: Point, look: string, id: string): Markup {
  const length = Math.hypot(to.x - from.x, to.y - from.y)
  const [dx, dy] = [(to.x - from.x) / length, (to.y - from.y) / length]
  const gap = 6
  return html`<line class="arrow ${look}" x1="${round(from.x + dx * gap)}" y1="${round(from.y + dy * gap)}" x2="${round(to.x - dx * gap)}" y2="${round(to.y - dy * gap)}" marker-end="url(#${id}-${look})"/>`
}

/** Each kind has a shape of its own, so that colour is never the only sign. */
function dot(kind: Rung['step']['kind'], x: number, y: number): Markup {
  const [cx, cy] = [round(x), round(y)]
  if (kind === 'forbidden') return html`<path class="dot" d="M${round(x - 5)} ${round(y - 5)}l10 10m0-10l-10 10"/>`
  return html`<circle class="dot" cx="${cx}" cy="${cy}" r="${kind === 'missing' ? 5.5 : 4}"/>`
}

const short = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 1)}…`)
const round = (value: number): number => Math.round(value * 10) / 10
