import { readFileSync } from 'node:fs'

import { PodwireError } from '../base/errors/podwire-error.js'
import { cacheHandler } from './cache-plugin.js'
import { type Directive, directiveError, parseCorefile, type ServerBlock } from './corefile.js'
import { atMost, duration, optionsOf, wholeNumber } from './directive-options.js'
import { errorsHandler } from './errors-plugin.js'
import { forwardHandler } from './forward-plugin.js'
import type { ChainParts, Handler } from './handler.js'
import { hostsHandler } from './hosts-plugin.js'
import { kubernetesHandler } from './kubernetes-plugin.js'
import { loadbalanceHandler } from './loadbalance-plugin.js'
import { logHandler } from './log-plugin.js'
import { loopHandler } from './loop-plugin.js'
import { prometheusHandler } from './prometheus-handler.js'
import { chain, type Resolve, refuse } from './resolve.js'
import { rewriteHandler } from './rewrite-plugin.js'
import { closestZone } from './zones.js'

/** In the order in which a question meets them, whatever the order in the file. */
const handlers: readonly Handler[] = [
  prometheusHandler,
  errorsHandler,
  logHandler,
  loadbalanceHandler,
  cacheHandler,
  rewriteHandler,
  hostsHandler,
  kubernetesHandler,
  loopHandler,
  forwardHandler,
]

/** Directives that speak of the process and make no handler. */
const processDirectives = ['health', 'ready', 'reload'] as const

/** What a Corefile asks for. */
export interface DnsServers {
  /** One for each port; the block with the longest zone at or above a name answers for it, REFUSED when there is none. */
  readonly servers: readonly { readonly port: number; readonly resolve: Resolve }[]
  /** `lameduckMs`: how long questions are answered after the process was told to end. */
  readonly health: { readonly port: number; readonly lameduckMs: number } | undefined
  readonly readyPort: number | undefined
  readonly metricsPort: number | undefined
  /** How often to look whether the file has changed; undefined: never. */
  readonly reloadMs: number | undefined
}

/** Reads a Corefile and links its handlers. Errors: CONFIG_INVALID with the place of what is wrong. */
export function buildServers(file: string, parts: ChainParts, signal: AbortSignal): DnsServers {
  const blocks = parseCorefile(textOf(file), file, [...handlers.map(({ name }) => name), ...processDirectives])
  if (blocks.length === 0) throw new PodwireError('CONFIG_INVALID', `${file} has no server block; write one, as .:53 { … }`)
  const ports = new Map<number, Map<string, { readonly resolve: Resolve; readonly place: string }>>()
  for (const block of blocks) {
    const plugins = handlers.flatMap(handler =>
      handler.plugins(
        block.directives.filter(({ name }) => name === handler.name),
        { ...parts, block, signal },
      ),
    )
    const resolve = chain(plugins, refuse)
    for (const { zone, port } of block.zones) {
      const zones = ports.get(port) ?? new Map<string, { readonly resolve: Resolve; readonly place: string }>()
      const other = zones.get(zone)
      if (other !== undefined)
        throw new PodwireError('CONFIG_INVALID', `${block.place}: ${zone}.:${port} is served by the block at ${other.place} already`)
      ports.set(port, zones.set(zone, { resolve, place: block.place }))
    }
  }
  const servers = [...ports].map(([port, zones]) => {
    const names = [...zones.keys()]
    const resolve: Resolve = query => (zones.get(closestZone(query.name.toLowerCase(), names) ?? 'none')?.resolve ?? refuse)(query)
    return { port, resolve }
  })
  return {
    servers,
    health: healthOf(onlyOne(blocks, 'health')),
    readyPort: portOf(onlyOne(blocks, 'ready'), 8181),
    metricsPort: metricsPortOf(blocks),
    reloadMs: reloadOf(onlyOne(blocks, 'reload')),
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new PodwireError('CONFIG_INVALID', `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}

/** A directive that speaks of the process, in whichever block it stands. Errors: CONFIG_INVALID when two do. */
function onlyOne(blocks: readonly ServerBlock[], name: (typeof processDirectives)[number]): Directive | undefined {
  const [directive, second] = named(blocks, name)
  if (directive !== undefined && second !== undefined) throw directiveError(second, `is said already, at ${directive.place}`)
  return directive
}

const named = (blocks: readonly ServerBlock[], name: string): readonly Directive[] =>
  blocks.flatMap(({ directives }) => directives).filter(each => each.name === name)

function healthOf(directive: Directive | undefined): DnsServers['health'] {
  const port = portOf(directive, 8080, 'lameduck')
  if (directive === undefined || port === undefined) return undefined
  const option = optionsOf(directive, 'lameduck').get('lameduck')
  if (option === undefined) return { port, lameduckMs: 0 }
  const [text] = atMost(option, 1)
  if (text === undefined) throw directiveError(option, 'needs a duration, as 5s')
  return { port, lameduckMs: duration(option, text, 0) }
}

/** Blocks share one port for their metrics. */
function metricsPortOf(blocks: readonly ServerBlock[]): number | undefined {
  const [first, ...others] = named(blocks, 'prometheus')
  const port = portOf(first, 9153)
  const other = others.find(each => portOf(each, 9153) !== port)
  if (first !== undefined && other !== undefined) throw directiveError(other, `is another port than at ${first.place}`)
  return port
}

const reloadMs = { usual: 30_000, shortest: 2000 }

/** `reload [INTERVAL [JITTER]]`: a jitter is for many servers of one file, which look at the same time; it is read and not needed here. */
function reloadOf(directive: Directive | undefined): number | undefined {
  if (directive === undefined) return undefined
  optionsOf(directive)
  const [interval, jitter] = atMost(directive, 2)
  if (jitter !== undefined) duration(directive, jitter, 0)
  return interval === undefined ? reloadMs.usual : duration(directive, interval, reloadMs.shortest)
}

/** The port that a directive names as `:PORT`, or the usual one; undefined without the directive. */
function portOf(directive: Directive | undefined, usual: number, ...options: readonly string[]): number | undefined {
  if (directive === undefined) return undefined
  optionsOf(directive, ...options)
  const [text = `:${usual}`] = atMost(directive, 1)
  const port = /^:(\d+)$/.exec(text)?.[1]
  if (port === undefined) throw directiveError(directive, `${text} is no port, as :${usual}`)
  return wholeNumber(directive, port, { from: 1, to: 65_535 })
}
