import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'

import { cachePlugin } from './cache-plugin.js'
import { type Directive, directiveError, parseCorefile } from './corefile.js'
import { errorsPlugin } from './errors-plugin.js'
import { forwardPlugin } from './forward-plugin.js'
import { kubernetesPlugin } from './kubernetes-plugin.js'
import { loadbalancePlugin } from './loadbalance-plugin.js'
import { logPlugin } from './log-plugin.js'
import { chain, type Plugin, type Query, type Reply, type Resolve, refuse } from './resolve.js'
import type { ZoneIndex } from './zone-index.js'

export interface ChainParts {
  readonly index: ZoneIndex
  readonly isReady: () => boolean
  readonly onError: (error: unknown) => void
  readonly onReply: (query: Query, reply: Reply, tookMs: number) => void
}

/** The handlers in the order in which a question meets them, whatever the order in the file. */
const order = ['errors', 'log', 'loadbalance', 'cache', 'kubernetes', 'forward'] as const

/** The port and the handlers of a Corefile with one server block for all names. Errors: CONFIG_INVALID with the place. */
export function buildChain(file: string, parts: ChainParts, signal: AbortSignal): { readonly port: number; readonly resolve: Resolve } {
  const [block, second] = parseCorefile(readFileSync(file, 'utf8'), file, order)
  const [at] = block?.zones ?? []
  if (!block || !at || second || block.zones.length > 1 || at.zone !== '')
    throw directiveError(
      { name: 'Corefile', place: second?.place ?? block?.place ?? file, args: [], block: [] },
      'one block is served, as .:53 { … }',
    )
  const plugins = order.flatMap(name => block.directives.filter(each => each.name === name).map(each => pluginOf(each, parts, signal)))
  return { port: at.port, resolve: chain(plugins, refuse) }
}

function pluginOf(directive: Directive, { index, isReady, onError, onReply }: ChainParts, signal: AbortSignal): Plugin {
  const { name, args } = directive
  const options = directive.block
  const number = (text: string | undefined, otherwise: number): number => {
    if (text === undefined) return otherwise
    if (/^\d+$/.test(text)) return Number(text)
    throw directiveError(directive, `${text} is no whole number`)
  }
  const optionsAre = (...known: string[]): void => {
    for (const option of options) if (!known.includes(option.name)) throw directiveError(option, `is no option of ${name} here`)
  }
  const option = (wanted: string): string | undefined => options.find(each => each.name === wanted)?.args[0]
  switch (name) {
    case 'errors':
      optionsAre()
      return errorsPlugin(onError)
    case 'log':
      optionsAre()
      return logPlugin(onReply)
    case 'loadbalance':
      optionsAre()
      return loadbalancePlugin()
    case 'cache': {
      optionsAre()
      const longest = number(args[0], 3600)
      return cachePlugin({
        successSeconds: longest,
        denialSeconds: Math.min(longest, 1800),
        capacity: 9984,
        now: () => performance.now(),
      })
    }
    case 'kubernetes':
      optionsAre('ttl')
      return kubernetesPlugin({
        zone: (args[0] ?? 'cluster.local').toLowerCase().replace(/\.$/, ''),
        index,
        isReady,
        ttlSeconds: number(option('ttl'), 5),
      })
    default: {
      optionsAre('policy', 'max_concurrent')
      const [from = '.', ...to] = args
      const policy = option('policy') ?? 'random'
      if (policy !== 'random' && policy !== 'round_robin' && policy !== 'sequential') throw directiveError(directive, `no policy ${policy}`)
      if (to.length === 0) throw directiveError(directive, 'names no server to ask')
      return forwardPlugin(
        {
          zone: from.toLowerCase().replace(/\.$/, ''),
          upstreams: to.flatMap(text => upstreamsOf(text, directive)),
          policy,
          maxConcurrent: number(option('max_concurrent'), 0),
          timeoutMs: 2000,
        },
        signal,
      )
    }
  }
}

/** An address, an address with a port, or a file with `nameserver` lines. */
function upstreamsOf(text: string, directive: Directive): { address: string; port: number }[] {
  if (text.startsWith('/'))
    return [...readFileSync(text, 'utf8').matchAll(/^nameserver\s+(\S+)/gm)].map(([, address = '']) => ({ address, port: 53 }))
  const [, six, four, port = '53'] = text.match(/^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/) ?? []
  const address = isIP(text) ? text : (six ?? four ?? '')
  if (!isIP(address)) throw directiveError(directive, `${text} is neither an address nor a file`)
  return [{ address, port: isIP(text) ? 53 : Number(port) }]
}
