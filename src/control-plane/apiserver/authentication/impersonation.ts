import { badRequest } from '../../../api/status.js'
import type { ApiServerRequest, User } from '../authentication.js'
import type { ResourceAttributes } from '../authorization/attributes.js'
import { type Authorizer, refuseUnlessAllowed } from '../authorization/authorizer.js'

const extraPrefix = 'impersonate-extra-'
const authentication = 'authentication.k8s.io'
const anonymousUser = 'system:anonymous'

interface Wanted {
  readonly name: string
  readonly uid: string | undefined
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, readonly string[]>>
}

/**
 * Who a request is made as: the user its Impersonate-* headers name, when `user` may impersonate each of them. Throws 403, and 400 for
 * headers without a user. Source: Kubernetes documentation, User impersonation.
 */
export function impersonated(request: ApiServerRequest, user: User, authorizer: Authorizer): User {
  const wanted = wantedOf(request)
  if (!wanted) return user
  const check = (part: Pick<ResourceAttributes, 'resource' | 'name'> & Partial<ResourceAttributes>): void => {
    const resource = { group: '', version: '', subresource: '', namespace: '', ...part }
    refuseUnlessAllowed(authorizer, { user, verb: 'impersonate', path: '', resource })
  }
  const account = accountOf(wanted.name)
  if (account) check({ resource: 'serviceaccounts', ...account })
  else check({ resource: 'users', name: wanted.name })
  for (const name of wanted.groups) check({ resource: 'groups', name })
  if (wanted.uid !== undefined) check({ group: authentication, resource: 'uids', name: wanted.uid })
  for (const [key, values] of Object.entries(wanted.extra)) {
    for (const name of values) check({ group: authentication, resource: 'userextras', subresource: key, name })
  }

  const given =
    wanted.groups.length > 0 || !account ? wanted.groups : ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`]
  const everybody = wanted.name === anonymousUser ? 'system:unauthenticated' : 'system:authenticated'
  return {
    name: wanted.name,
    ...(wanted.uid !== undefined && { uid: wanted.uid }),
    groups: given.includes(everybody) ? given : [...given, everybody],
    ...(Object.keys(wanted.extra).length > 0 && { extra: wanted.extra }),
  }
}

/** What the headers say; undefined for a request that impersonates nobody. Repeated headers stand apart in `rawHeaders` alone. */
function wantedOf({ rawHeaders }: ApiServerRequest): Wanted | undefined {
  const headers: (readonly [string, string])[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    if (name.startsWith('impersonate-')) headers.push([name, rawHeaders[i + 1]!])
  }
  if (headers.length === 0) return undefined
  const values = (name: string): string[] => headers.filter(([other]) => other === name).map(([, value]) => value)
  const extra: Record<string, string[]> = {}
  for (const [name, value] of headers) {
    if (!name.startsWith(extraPrefix)) continue
    const key = unescaped(name.slice(extraPrefix.length))
    extra[key] = [...(extra[key] ?? []), value]
  }
  const [name] = values('impersonate-user')
  const [uid] = values('impersonate-uid')
  const groups = values('impersonate-group')
  if (!name) throw badRequest(`requested ${JSON.stringify({ groups, uid, extra })} without impersonating a user`)
  return { name, uid, groups, extra }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function accountOf(user: string): { readonly namespace: string; readonly name: string } | undefined {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? []
  return namespace !== undefined && name !== undefined ? { namespace, name } : undefined
}
