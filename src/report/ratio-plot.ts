import type { Interval } from '../base/results/bench-record.js'
import { logScale } from './log-scale.js'
import { html, type Markup } from './markup.js'

export interface RatioRow {
  readonly name: string
  readonly ratio: Interval
}

export interface RatioPlotOptions {
  /** What the baseline is to itself. */
  readonly band: Interval | undefined
  readonly better: 'lower' | 'higher'
}

const [width, rowHeight, top, bottom, left, right] = [520, 24, 8, 26, 190, 16] as const

/** Ratios to the baseline, a row an arm, on a logarithmic axis around 1: twice as much and half as much are equally far from it. */
export function ratioPlot(rows: readonly RatioRow[], { band, better }: RatioPlotOptions): Markup {
  const height = top + rows.length * rowHeight + bottom
  const values = [1, ...rows.flatMap(({ ratio }) => [ratio.low, ratio.high]), ...(band === undefined ? [] : [band.low, band.high])]
  const { at, ticks } = logScale(values.filter(isDrawable), { start: left, end: width - right })
  const floor = height - bottom
  const x = (value: number): string => at(value).toFixed(1)
  const words = rows.map(({ name, ratio }) => `${name}: ${ratio.estimate.toFixed(2)}`).join('; ')
  return html`<svg class="ratios" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${words}">
${band !== undefined && isDrawable(band.low) && html`<rect class="band" x="${x(band.low)}" y="${top}" width="${Math.max(1, at(band.high) - at(band.low)).toFixed(1)}" height="${floor - top}"/>`}
${ticks.map(tick => html`<line class="tick" x1="${x(tick)}" x2="${x(tick)}" y1="${top}" y2="${floor}"/><text class="axis" x="${x(tick)}" y="${floor + 16}">${tick}</text>`)}
<line class="one" x1="${x(1)}" x2="${x(1)}" y1="${top}" y2="${floor}"/>
${rows.map((row, i) => drawRow(row, top + (i + 0.5) * rowHeight, { x, better, band }))}
</svg>`
}

/** The logarithm of nothing is nowhere. */
const isDrawable = (value: number): boolean => Number.isFinite(value) && value > 0

function drawRow(
  { name, ratio }: RatioRow,
  y: number,
  { x, better, band }: RatioPlotOptions & { readonly x: (value: number) => string },
): Markup {
  const label = html`<text class="name" x="${left - 12}" y="${y + 4}">${name}<title>${name}</title></text>`
  if (![ratio.low, ratio.estimate, ratio.high].every(isDrawable))
    return html`${label}<text class="axis" x="${left + 40}" y="${y + 4}">nothing</text>`
  const isBeyond = ratio.low > Math.max(1, band?.high ?? 1) || ratio.high < Math.min(1, band?.low ?? 1)
  const look = !isBeyond ? 'even' : ratio.high < 1 === (better === 'lower') ? 'good' : 'bad'
  return html`<g class="${look}">${label}<line class="interval" x1="${x(ratio.low)}" x2="${x(ratio.high)}" y1="${y}" y2="${y}"/><circle cx="${x(ratio.estimate)}" cy="${y}" r="4"/><title>${name}: ${ratio.estimate.toFixed(3)} [${ratio.low.toFixed(3)}, ${ratio.high.toFixed(3)}]</title></g>`
}
