import { logScale } from './log-scale.js'
import { html, type Markup } from './markup.js'

export interface SizeSeries {
  readonly name: string
  /** By rising size. */
  readonly points: readonly { readonly size: number; readonly value: number }[]
}

const [width, height, top, bottom, left, right] = [520, 280, 12, 40, 64, 150] as const
/** Labels this close would lie on each other. */
const labelHeight = 13
/** Shapes beside colours, for those who do not tell colours apart and for paper. */
const dashes = ['', '6 3', '2 3', '8 3 2 3', '1 3', '10 4'] as const

/** A line an arm over sizes, both axes logarithmic: what grows in proportion has a slope of one, what does not grow is flat. */
export function sizePlot(
  series: readonly SizeSeries[],
  { parameter, unit, names }: { readonly parameter: string; readonly unit: string; readonly names: readonly string[] },
): Markup {
  // An arm looks the same in every figure of the page.
  const lookOf = (name: string): number => Math.max(0, names.indexOf(name)) % dashes.length
  const points = series.flatMap(each => each.points)
  const across = logScale(
    points.map(({ size }) => size),
    { start: left, end: width - right },
  )
  const up = logScale(
    points.map(({ value }) => value),
    { start: height - bottom, end: top },
  )
  const sizes = [...new Set(points.map(({ size }) => size))].sort((a, b) => a - b)
  const labels = spread(series.flatMap(({ name, points: own }) => (own.length === 0 ? [] : [{ name, y: up.at(own.at(-1)!.value) }])))
  return html`<svg class="sizes" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${series.map(({ name }) => name).join(', ')} by ${parameter}">
${up.ticks.map(tick => html`<line class="tick" x1="${left}" x2="${width - right}" y1="${up.at(tick).toFixed(1)}" y2="${up.at(tick).toFixed(1)}"/><text class="axis value" x="${left - 8}" y="${(up.at(tick) + 4).toFixed(1)}">${tick.toLocaleString('en')}</text>`)}
${sizes.map(size => html`<text class="axis" x="${across.at(size).toFixed(1)}" y="${height - bottom + 18}">${size.toLocaleString('en')}</text>`)}
<text class="axis" x="${(left + width - right) / 2}" y="${height - 6}">${parameter}</text>
${series.map(
  ({ name, points: own }) =>
    html`<g class="series s${lookOf(name)}"><polyline points="${own.map(({ size, value }) => `${across.at(size).toFixed(1)},${up.at(value).toFixed(1)}`).join(' ')}" stroke-dasharray="${dashes[lookOf(name)]}"/>${own.map(({ size, value }) => html`<circle cx="${across.at(size).toFixed(1)}" cy="${up.at(value).toFixed(1)}" r="3"><title>${name}, ${size} ${parameter}: ${Number(value.toPrecision(4))} ${unit}</title></circle>`)}<text class="label" x="${width - right + 10}" y="${((labels.get(name) ?? 0) + 4).toFixed(1)}">${name}</text></g>`,
)}
</svg>`
}

/** Moves labels apart that would lie on each other, from the top down. */
function spread(labels: readonly { readonly name: string; readonly y: number }[]): ReadonlyMap<string, number> {
  let least = Number.NEGATIVE_INFINITY
  const placed = [...labels]
    .sort((a, b) => a.y - b.y)
    .map(({ name, y }) => {
      least = Math.max(y, least + labelHeight)
      return [name, least] as const
    })
  return new Map(placed)
}
