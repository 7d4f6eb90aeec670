import type { FlowRecord, HopRecord } from '../base/results/run-record.js'
import { html, type Markup } from './markup.js'

/** The headers of the packet as nested boxes, once for each way in which they were nested on its way; undefined when sizes are not known. */
export function headerPeels({ ladder }: Pick<FlowRecord, 'ladder'>): Markup | undefined {
  const hops = new Map<string, HopRecord>()
  for (const { hop, leg } of ladder) {
    if (hop?.layers === undefined || leg !== 'path') continue
    const key = hop.layers.map(({ name }) => name).join(' ')
    if (!hops.has(key)) hops.set(key, hop)
  }
  if (hops.size === 0) return undefined
  return html`<h3>Headers</h3><div class="peels">${[...hops.values()].map(peel)}</div>`
}

function peel({ at, dir, layers = [], mtu }: HopRecord): Markup {
  const size = layers.reduce((sum, { bytes }) => sum + bytes, 0)
  const room = mtu === undefined ? '' : `, ${mtu - size} fewer than the MTU of ${mtu}`
  return html`<div class="card peel"><h4>${at} ${dir}: ${size} bytes${room}</h4>${nested(layers)}</div>`
}

/** Each header holds what comes after it. */
function nested([first, ...rest]: NonNullable<HopRecord['layers']>): Markup | undefined {
  if (first === undefined) return undefined
  return html`<div class="layer"><span>${first.name} <b>${first.bytes}</b></span>${nested(rest)}</div>`
}
