import { atMost, optionsOf } from './directive-options.js'
import { singleHandler } from './handler.js'
import type { Plugin, Query, Reply } from './resolve.js'

/** Tells `onReply` of every question that was answered, and how long it took. */
export function logPlugin(onReply: (query: Query, reply: Reply, tookMs: number) => void): Plugin {
  return next => async query => {
    const start = performance.now()
    const reply = await next(query)
    onReply(query, reply, performance.now() - start)
    return reply
  }
}

export const logHandler = singleHandler('log', (directive, { onReply }) => {
  atMost(directive, 0)
  optionsOf(directive)
  return logPlugin(onReply)
})
