import { askServer } from './ask-server.js'
import { emptyReply, type Plugin, type Rcode, type Reply, rcodes } from './resolve.js'

export interface Upstream {
  readonly address: string
  readonly port: number
}

export interface ForwardOptions {
  /** Names at and below this zone are forwarded; empty for all. */
  readonly zone: string
  readonly upstreams: readonly Upstream[]
  readonly policy: 'random' | 'round_robin' | 'sequential'
  /** Questions under way at once; REFUSED beyond. 0 is without limit. */
  readonly maxConcurrent: number
  readonly timeoutMs: number
}

/** Asks other servers, each once until one answers; SERVFAIL when none does. One that failed is asked last until it answers again. */
export function forwardPlugin({ zone, upstreams, policy, maxConcurrent, timeoutMs }: ForwardOptions, signal: AbortSignal): Plugin {
  let underWay = 0
  let turn = 0
  const failing = new Set<Upstream>()

  function inOrder(): readonly Upstream[] {
    const first =
      policy === 'sequential' ? 0 : policy === 'random' ? Math.floor(Math.random() * upstreams.length) : turn++ % upstreams.length
    const order = [...upstreams.slice(first), ...upstreams.slice(0, first)]
    return [...order.filter(upstream => !failing.has(upstream)), ...order.filter(upstream => failing.has(upstream))]
  }

  return next => async query => {
    const name = query.name.toLowerCase()
    if (zone !== '' && name !== zone && !name.endsWith(`.${zone}`)) return next(query)
    if (maxConcurrent > 0 && underWay >= maxConcurrent) return emptyReply('REFUSED')
    underWay++
    try {
      for (const upstream of inOrder()) {
        try {
          const packet = await askServer({ ...upstream, name: query.name, type: query.type }, timeoutMs, signal)
          failing.delete(upstream)
          return replyOf(packet)
        } catch {
          failing.add(upstream)
        }
      }
      return emptyReply('SERVFAIL')
    } finally {
      underWay--
    }
  }
}

function replyOf(packet: Awaited<ReturnType<typeof askServer>>): Reply {
  const { rcode } = packet as { readonly rcode?: string }
  return {
    rcode: isRcode(rcode) ? rcode : 'SERVFAIL',
    isAuthoritative: false,
    answers: packet.answers ?? [],
    authorities: packet.authorities ?? [],
    additionals: (packet.additionals ?? []).filter(({ type }) => type !== 'OPT'),
  }
}

const isRcode = (text: string | undefined): text is Rcode => text !== undefined && Object.hasOwn(rcodes, text)
