import { isIP } from 'node:net'

import { askServer } from './ask-server.js'
import { type Directive, directiveError } from './corefile.js'
import { atMost, numberOption, optionsOf, textOfFile } from './directive-options.js'
import type { Handler } from './handler.js'
import { emptyReply, type Plugin, type Rcode, type Reply, rcodes } from './resolve.js'
import { closestZone, normalZone } from './zones.js'

export interface Upstream {
  readonly address: string
  readonly port: number
}

const policies = ['random', 'round_robin', 'sequential'] as const
type Policy = (typeof policies)[number]

export interface ForwardOptions {
  /** Names at and below this zone are forwarded; empty for all. */
  readonly zone: string
  readonly upstreams: readonly Upstream[]
  readonly policy: Policy
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
    if (closestZone(query.name.toLowerCase(), [zone]) === undefined) return next(query)
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

/** `forward FROM TO…`, as often as a block likes; the first whose zone the name is in is asked. */
export const forwardHandler: Handler = {
  name: 'forward',
  plugins: (directives, { signal }) =>
    directives.map(directive => {
      const options = optionsOf(directive, 'policy', 'max_concurrent')
      const [from = '.', ...to] = directive.args
      if (to.length === 0) throw directiveError(directive, 'names no server to ask')
      const upstreams = to.flatMap(text => upstreamsOf(text, directive))
      return forwardPlugin(
        {
          zone: normalZone(from),
          upstreams,
          policy: policyOf(options.get('policy')),
          maxConcurrent: numberOption(options.get('max_concurrent'), { from: 0, to: 1_000_000 }, 0),
          timeoutMs: 2000,
        },
        signal,
      )
    }),
}

function policyOf(option: Directive | undefined): Policy {
  if (option === undefined) return 'random'
  const [text] = atMost(option, 1)
  const policy = policies.find(each => each === text)
  if (policy === undefined) throw directiveError(option, `${text ?? 'nothing'} is no policy; there are ${policies.join(', ')}`)
  return policy
}

/** An address, an address with a port, or a file with `nameserver` lines. */
function upstreamsOf(text: string, directive: Directive): readonly Upstream[] {
  if (text.startsWith('/')) {
    const found = [...textOfFile(directive, text).matchAll(/^nameserver\s+(\S+)/gm)].map(([, address = '']) => ({ address, port: 53 }))
    if (found.length === 0) throw directiveError(directive, `${text} has no line with a nameserver`)
    return found
  }
  const [, six, four, port = '53'] = text.match(/^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/) ?? []
  const address = isIP(text) ? text : (six ?? four ?? '')
  if (!isIP(address)) throw directiveError(directive, `${text} is neither an address nor a file`)
  if (Number(port) < 1 || Number(port) > 65_535) throw directiveError(directive, `${text} has no port from 1 to 65535`)
  return [{ address, port: isIP(text) ? 53 : Number(port) }]
}
