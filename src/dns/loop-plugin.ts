import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

import { PodwireError } from '../base/errors/podwire-error.js'
import { atMost, optionsOf } from './directive-options.js'
import { singleHandler } from './handler.js'
import { emptyReply, type Plugin, type Query } from './resolve.js'
import { normalZone } from './zones.js'

export interface LoopOptions {
  readonly zone: string
  /** The server asks itself; answering would go on for ever. */
  readonly onLoop: (error: PodwireError) => void
  readonly onError: (error: unknown) => void
}

const longestMs = 30_000
const betweenMs = 1000

/**
 * At the start asks the handlers behind it for a name that nobody else can know, until one of them answers or half a minute is over.
 * Whoever brings that question back here is this server itself, by way of the servers it forwards to.
 */
export function loopPlugin({ zone, onLoop, onError }: LoopOptions, signal: AbortSignal): Plugin {
  const part = () => randomInt(2 ** 48 - 1)
  const probe: Query = { name: `${part()}.${part()}${zone === '' ? '' : `.${zone}`}`, type: 'HINFO', transport: 'udp' }
  return next => {
    async function ask(): Promise<void> {
      const end = performance.now() + longestMs
      while (!signal.aborted && performance.now() < end) {
        if ((await next(probe)).rcode !== 'SERVFAIL') return
        await delay(betweenMs, undefined, { signal, ref: false }).catch(() => {})
      }
    }
    // Once the chain is whole.
    setImmediate(() => void ask().catch(onError))
    return query => {
      if (query.type !== 'HINFO' || normalZone(query.name) !== probe.name) return next(query)
      onLoop(
        new PodwireError('CONFIG_INVALID', `questions for ${zone}. come back to this server`, {
          hint: 'One of the servers behind `forward` asks this one; look at the file it reads its servers from.',
        }),
      )
      return Promise.resolve(emptyReply('SERVFAIL'))
    }
  }
}

export const loopHandler = singleHandler('loop', (directive, { block, onFatal, onError, signal }) => {
  atMost(directive, 0)
  optionsOf(directive)
  return loopPlugin({ zone: block.zones[0]?.zone ?? '', onLoop: onFatal, onError }, signal)
})
