import { atMost, optionsOf } from './directive-options.js'
import { singleHandler } from './handler.js'
import { emptyReply, type Plugin } from './resolve.js'

/** Turns an error of the handlers behind it into SERVFAIL and tells `onError`. */
export function errorsPlugin(onError: (error: unknown) => void): Plugin {
  return next => async query => {
    try {
      return await next(query)
    } catch (error) {
      onError(error)
      return emptyReply('SERVFAIL')
    }
  }
}

export const errorsHandler = singleHandler('errors', (directive, { onError }) => {
  atMost(directive, 0)
  optionsOf(directive)
  return errorsPlugin(onError)
})
