import type { ConntrackRecord } from '../base/results/run-record.js'
import { html, type Markup } from './markup.js'

type Tuple = ConntrackRecord['orig']

/**
 * One conntrack entry: the tuple as sent and the reply that the kernel waits for. Without translation the reply is the mirror of the
 * original, so each end that is not its mirror has been translated: another source of the reply is DNAT, another destination SNAT.
 */
export function conntrackCard({ host, protocol, orig, reply, state, nat, madeBy }: ConntrackRecord): Markup {
  const dnat = end(reply.src, reply.sport) !== end(orig.dst, orig.dport)
  const snat = end(reply.dst, reply.dport) !== end(orig.src, orig.sport)
  const kinds = nat.map(kind => kind.toUpperCase()).join(' and ') || 'no translation'
  return html`<div class="card"><h4>${host}: ${protocol}${state !== undefined && ` ${state}`}, ${kinds}</h4>
<div class="tuple">${row('as sent', orig, { src: snat, dst: dnat })}${row('reply', reply, { src: dnat, dst: snat })}</div>
${madeBy !== undefined && html`<p>Made by <code>${madeBy}</code></p>`}</div>`
}

const row = (label: string, { src, dst, sport, dport }: Tuple, changed: { readonly src: boolean; readonly dst: boolean }): Markup =>
  html`<span>${label}</span><code${changed.src && html` class="changed"`}>${end(src, sport)}</code><span>→</span><code${changed.dst && html` class="changed"`}>${end(dst, dport)}</code>`

/** IPv6 addresses stand in brackets before a port (RFC 3986). */
function end(address: string, port: number | undefined): string {
  if (port === undefined) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
