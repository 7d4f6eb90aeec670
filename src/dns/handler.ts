import type { PodwireError } from '../base/errors/podwire-error.js'
import { type Directive, directiveError, type ServerBlock } from './corefile.js'
import type { DnsMetrics } from './dns-metrics.js'
import type { Plugin, Query, Reply } from './resolve.js'
import type { ZoneIndex } from './zone-index.js'

/** What the handlers of a process share. */
export interface ChainParts {
  readonly index: ZoneIndex
  readonly isReady: () => boolean
  readonly onError: (error: unknown) => void
  /** The server must not go on. */
  readonly onFatal: (error: PodwireError) => void
  readonly metrics: DnsMetrics
  readonly onReply: (query: Query, reply: Reply, tookMs: number) => void
}

export interface HandlerContext extends ChainParts {
  /** The block the directives stand in. */
  readonly block: ServerBlock
  readonly signal: AbortSignal
}

/** One word of a Corefile: reads its directives of a block and makes the plugins they ask for. Errors: CONFIG_INVALID with the place. */
export interface Handler {
  readonly name: string
  plugins(directives: readonly Directive[], context: HandlerContext): readonly Plugin[]
}

/** A handler that a block has at most once. */
export function singleHandler(name: string, read: (directive: Directive, context: HandlerContext) => Plugin): Handler {
  return {
    name,
    plugins([first, second], context) {
      if (first !== undefined && second !== undefined) throw directiveError(second, `is said in this block already, at ${first.place}`)
      return first === undefined ? [] : [read(first, context)]
    },
  }
}
