import { directiveError } from './corefile.js'
import { atMost, optionsOf } from './directive-options.js'
import { singleHandler } from './handler.js'
import type { Plugin } from './resolve.js'

/** Shuffles the A and AAAA records of an answer; what leads to them (CNAME) stays in front. */
export function loadbalancePlugin(random: () => number = Math.random): Plugin {
  return next => async query => {
    const reply = await next(query)
    const isAddress = ({ type }: { readonly type: string }): boolean => type === 'A' || type === 'AAAA'
    const addresses = reply.answers.filter(isAddress)
    if (addresses.length < 2) return reply
    for (let last = addresses.length - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1))
      ;[addresses[last], addresses[other]] = [addresses[other]!, addresses[last]!]
    }
    return { ...reply, answers: [...reply.answers.filter(record => !isAddress(record)), ...addresses] }
  }
}

export const loadbalanceHandler = singleHandler('loadbalance', directive => {
  optionsOf(directive)
  const [policy = 'round_robin'] = atMost(directive, 1)
  if (policy !== 'round_robin') throw directiveError(directive, `no policy ${policy}; there is round_robin`)
  return loadbalancePlugin()
})
