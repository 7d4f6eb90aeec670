import { createHash } from 'node:crypto'

import { PodwireError } from '../../../base/errors/podwire-error.js'
import { type Authenticator, bearerToken, type User } from '../authentication.js'

const hash = (token: string): string => createHash('sha256').update(token).digest('hex')

/** Bearer tokens that a file fixes. */
export interface StaticTokens {
  readonly authenticate: Authenticator
  userOf(token: string): User | undefined
}

/**
 * Reads upstream's token file: `token,user,uid,"group1,group2"` a line, groups may be missing. Errors: CONFIG_INVALID with the line, never
 * with the token.
 */
export function staticTokens(text: string, file = 'the token file'): StaticTokens {
  const users = new Map<string, User>()
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const fields = fieldsOf(line)
    const [token, name, uid, groups = ''] = fields ?? []
    if (!token || !name || uid === undefined) {
      throw new PodwireError('CONFIG_INVALID', `${file}:${i + 1} is no token: expected token,user,uid,"group1,group2"`)
    }
    const own = groups
      .split(',')
      .map(group => group.trim())
      .filter(group => group !== '')
    users.set(hash(token), { name, ...(uid !== '' && { uid }), groups: [...own, 'system:authenticated'] })
  }
  const userOf = (token: string): User | undefined => users.get(hash(token))
  return {
    userOf,
    authenticate(request) {
      const token = bearerToken(request)
      return token === undefined ? undefined : userOf(token)
    },
  }
}

/** The fields of one line of comma-separated values (RFC 4180); undefined when a quote does not end. */
function fieldsOf(line: string): string[] | undefined {
  const fields: string[] = []
  let rest = line.trimEnd()
  for (;;) {
    const [whole, quoted, plain = ''] = /^\s*(?:"((?:[^"]|"")*)"\s*|([^",]*))(?=,|$)/.exec(rest) ?? []
    if (whole === undefined) return undefined
    fields.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'))
    if (whole.length === rest.length) return fields
    rest = rest.slice(whole.length + 1)
  }
}
