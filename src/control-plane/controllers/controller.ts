import type { Logger } from 'pino'
import { isPodwireError } from '../../base/errors/podwire-error.js'
import { type Clock, systemClock } from '../../base/time/clock.js'
import type { Client } from '../../client/client.js'
import { createWorkQueue, type WorkQueue } from '../../reconcile/work-queue.js'

/** One loop that brings objects of the cluster to what their specs say. */
export interface Controller {
  readonly name: string
  /** Works until `signal` aborts; never rejects otherwise. */
  run(signal: AbortSignal): Promise<void>
}

/** What every controller is given. */
export interface ControllerParts {
  readonly client: Client
  readonly log: Pick<Logger, 'warn'>
  readonly clock?: Clock
}

interface KeyedController {
  readonly name: string
  readonly parts: ControllerParts
  readonly workers?: number
  /** The informers that `reconcile` reads; nothing is done before each has its first list. */
  readonly reads: readonly { readonly synced: Promise<void> }[]
  /** Says which keys to work on when which objects change. */
  readonly watch: (queue: WorkQueue) => void
  /** Brings the object of that key to its wanted state, from the whole current state. */
  readonly reconcile: (key: string, queue: WorkQueue, signal: AbortSignal) => Promise<void>
}

/** A controller over a work queue. Conflicts mean that its copy was old, so they are tried again without a word. */
export function keyedController({ name, parts, workers = 4, reads, watch, reconcile }: KeyedController): Controller {
  const { log, clock = systemClock } = parts
  return {
    name,
    async run(until) {
      const signal = AbortSignal.any([until]) // Of our own: all controllers share one signal, each with listeners of its own.
      const queue: WorkQueue = createWorkQueue({
        workers,
        clock,
        reconcile: (key, signal) => reconcile(key, queue, signal),
        onError: (error, key) => {
          if (!isPodwireError(error, 'CONFLICT')) log.warn({ controller: name, key, err: error }, 'will be tried again')
        },
      })
      watch(queue)
      const aborted = new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
      await Promise.race([Promise.all(reads.map(({ synced }) => synced)), aborted])
      if (!signal.aborted) await queue.run(signal)
    },
  }
}
