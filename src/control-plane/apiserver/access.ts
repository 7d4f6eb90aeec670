import { unauthorized } from '../../api/status.js'
import { type Answer, jsonAnswer } from './answers.js'
import { impersonated } from './authentication/impersonation.js'
import { type ServiceAccountTokens, serviceAccountTokens } from './authentication/service-account-tokens.js'
import { type StaticTokens, staticTokens } from './authentication/static-tokens.js'
import { type ApiServerRequest, certificateAuthenticator, type User } from './authentication.js'
import { attributesOf } from './authorization/attributes.js'
import { type Authorizer, authorizerChain, privilegedGroups, refuseUnlessAllowed } from './authorization/authorizer.js'
import { nodeAuthorizer } from './authorization/node-authorizer.js'
import type { PolicyObjects } from './authorization/policy-objects.js'
import { type Rbac, rbacAuthorizer } from './authorization/rbac.js'

export interface AccessOptions {
  readonly objects: PolicyObjects
  readonly serviceAccount: { readonly issuer: string; readonly key: string }
  /** The text of a token file (`token,user,uid,"group1,group2"` a line), if there is one. */
  readonly tokenFile?: string | undefined
  /** `address:port` under which the keys of the issuer are found. */
  readonly address: string
}

/** Who may do what: the door that every request comes through. */
export interface Access {
  /** Who sends a request, or is impersonated by it. Throws 401 for nobody known, 403 for what is not allowed. */
  enter(request: ApiServerRequest, path: string, query: URLSearchParams): Promise<User>
  readonly authorizer: Authorizer
  readonly rbac: Rbac
  readonly tokens: ServiceAccountTokens
  readonly staticTokens: StaticTokens
  /** The audience of tokens that are for this server. */
  readonly issuer: string
  /** The issuer's discovery documents (OpenID Connect Discovery 1.0); undefined for any other path. */
  issuerAnswer(path: string): Answer | undefined
}

/** What is told to whoever asks, as upstream's role system:public-info-viewer says; anonymous requests to anything else get 401. */
const publicPath = /^\/(healthz|livez|readyz|version)\/?$/
const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] }

export function openAccess({ objects, serviceAccount, tokenFile = '', address }: AccessOptions): Access {
  const tokens = serviceAccountTokens({ ...serviceAccount, objects })
  const fixed = staticTokens(tokenFile)
  const authenticators = [certificateAuthenticator(), fixed.authenticate, tokens.authenticate]
  const rbac = rbacAuthorizer(objects)
  const authorizer = authorizerChain([privilegedGroups, nodeAuthorizer(objects), rbac])

  async function authenticate(request: ApiServerRequest, path: string): Promise<User> {
    for (const authenticator of authenticators) {
      const user = await authenticator(request)
      if (user) return user
    }
    if (publicPath.test(path) && request.headers.authorization === undefined) return anonymous
    throw unauthorized()
  }

  return {
    authorizer,
    rbac,
    tokens,
    staticTokens: fixed,
    issuer: serviceAccount.issuer,
    async enter(request, path, query) {
      const user = impersonated(request, await authenticate(request, path), authorizer)
      refuseUnlessAllowed(authorizer, attributesOf({ user, method: request.method ?? 'GET', path, query }))
      return user
    },
    issuerAnswer(path) {
      switch (path.replace(/\/$/, '')) {
        case '/.well-known/openid-configuration':
          return jsonAnswer({
            issuer: serviceAccount.issuer,
            jwks_uri: `https://${address}/openid/v1/jwks`,
            response_types_supported: ['id_token'],
            subject_types_supported: ['public'],
            id_token_signing_alg_values_supported: ['ES256'],
          })
        case '/openid/v1/jwks':
          return jsonAnswer(tokens.keys, 200, 'application/jwk-set+json')
        default:
          return undefined
      }
    },
  }
}
