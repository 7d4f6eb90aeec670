import { readFileSync } from 'node:fs'

import { PodwireError } from '../base/errors/podwire-error.js'
import { cacheHandler } from './cache-plugin.js'
import { directiveError, parseCorefile, type ServerBlock } from './corefile.js'
import { atMost, optionsOf, wholeNumber } from './directive-options.js'
import { errorsHandler } from './errors-plugin.js'
import { forwardHandler } from './forward-plugin.js'
import type { ChainParts, Handler } from './handler.js'
import { hostsHandler } from './hosts-plugin.js'
import { kubernetesHandler } from './kubernetes-plugin.js'
import { loadbalanceHandler } from './loadbalance-plugin.js'
import { logHandler } from './log-plugin.js'
import { chain, type Resolve, refuse } from './resolve.js'
import { rewriteHandler } from './rewrite-plugin.js'
import { closestZone } from './zones.js'

/** In the order in which a question meets them, whatever the order in the file. */
const handlers: readonly Handler[] = [
  errorsHandler,
  logHandler,
  loadbalanceHandler,
  cacheHandler,
  rewriteHandler,
  hostsHandler,
  kubernetesHandler,
  forwardHandler,
]

/** Directives that speak of the process, and the port each serves when it names none. */
const endpointPorts = { health: 8080, ready: 8181 } as const

/** What a Corefile asks for. */
export interface DnsServers {
  /** One for each port; the block with the longest zone at or above a name answers for it, REFUSED when there is none. */
  readonly servers: readonly { readonly port: number; readonly resolve: Resolve }[]
  readonly healthPort: number | undefined
  readonly readyPort: number | undefined
}

/** Reads a Corefile and links its handlers. Errors: CONFIG_INVALID with the place of what is wrong. */
export function buildServers(file: string, parts: ChainParts, signal: AbortSignal): DnsServers {
  const blocks = parseCorefile(textOf(file), file, [...handlers.map(({ name }) => name), ...Object.keys(endpointPorts)])
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
  return { servers, healthPort: endpointPort(blocks, 'health'), readyPort: endpointPort(blocks, 'ready') }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new PodwireError('CONFIG_INVALID', `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}

/** The port of `health` or `ready`, in whichever block it stands; undefined when it is not served. */
function endpointPort(blocks: readonly ServerBlock[], name: keyof typeof endpointPorts): number | undefined {
  const [directive, second] = blocks.flatMap(({ directives }) => directives).filter(each => each.name === name)
  if (directive === undefined) return undefined
  if (second !== undefined) throw directiveError(second, `is said already, at ${directive.place}`)
  optionsOf(directive)
  const [text = `:${endpointPorts[name]}`] = atMost(directive, 1)
  const port = /^:(\d+)$/.exec(text)?.[1]
  if (port === undefined) throw directiveError(directive, `${text} is no port, as :${endpointPorts[name]}`)
  return wholeNumber(directive, port, { from: 1, to: 65_535 })
}
