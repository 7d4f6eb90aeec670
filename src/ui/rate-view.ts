import { html, type Markup } from '../report/markup.js'

const width = 160
const height = 28

/** Packets a second over the last minute, as a line. */
export function rateView(perSecond: readonly number[], packets: number): Markup {
  const most = Math.max(1, ...perSecond)
  const points = perSecond.map(
    (count, i) => `${(((60 - perSecond.length + i) * width) / 59).toFixed(1)},${(height - 2 - (count / most) * (height - 4)).toFixed(1)}`,
  )
  return html`<svg class="rate" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="packets per second over the last minute, at most ${most}"><polyline points="${points.join(' ')}"/></svg> <span><b>${perSecond.at(-1) ?? 0}</b> packets/s at all interfaces, ${packets} seen</span>`
}
