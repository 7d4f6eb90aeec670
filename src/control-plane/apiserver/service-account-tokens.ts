import { createPrivateKey, createPublicKey, randomUUID } from 'node:crypto'
import { type JWTPayload, jwtVerify, SignJWT } from 'jose'
import type { ApiResource } from '../../api/api-resource.js'
import { pods, serviceaccounts } from '../../api/generated/resources.js'
import type { ServiceAccount, AuthenticationTokenRequest as TokenRequest } from '../../api/generated/types.js'
import type { KubeObject } from '../../api/resource-type.js'
import { unauthorized } from '../../api/status.js'
import { timeText } from '../../api/time-text.js'
import { type Authenticator, bearerToken } from './authentication.js'

const algorithm = 'ES256'
const anHour = 3600
const shortest = 600
const longest = 2 ** 32

/** What the tokens need to know of the cluster's objects. */
export type FindObject = (resource: ApiResource, at: { readonly namespace: string; readonly name: string }) => KubeObject | undefined

export interface ServiceAccountTokens {
  /** Signs a token for the account; lifetime and audiences come from the request. */
  issue(account: ServiceAccount, request: TokenRequest): Promise<{ readonly token: string; readonly expirationTimestamp: string }>
  /** Bearer tokens that were signed here, for accounts (and Pods) that still exist. */
  readonly authenticate: Authenticator
}

/** Claims beside the registered ones, as upstream writes them. */
interface KubernetesClaims {
  readonly namespace: string
  readonly serviceaccount: { readonly name: string; readonly uid: string }
  readonly pod?: { readonly name: string; readonly uid: string }
}

/** Tokens signed with `key` (PKCS#8 PEM, P-256). Without audiences a token is for the issuer itself. */
export function serviceAccountTokens({
  issuer,
  key,
  find,
}: {
  readonly issuer: string
  readonly key: string
  readonly find: FindObject
}): ServiceAccountTokens {
  const privateKey = createPrivateKey(key)
  const publicKey = createPublicKey(privateKey)

  async function authenticate(token: string) {
    const { payload } = await jwtVerify(token, publicKey, { issuer, audience: issuer, algorithms: [algorithm] }).catch(() => {
      throw unauthorized()
    })
    const claims = claimsOf(payload)
    if (!claims) throw unauthorized()
    const { namespace, serviceaccount, pod } = claims
    if (find(serviceaccounts, { namespace, name: serviceaccount.name })?.metadata?.uid !== serviceaccount.uid) throw unauthorized()
    if (pod && find(pods, { namespace, name: pod.name })?.metadata?.uid !== pod.uid) throw unauthorized()
    return {
      name: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
      uid: serviceaccount.uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
      ...(pod && { extra: { 'authentication.kubernetes.io/pod-name': [pod.name], 'authentication.kubernetes.io/pod-uid': [pod.uid] } }),
    }
  }

  return {
    async issue({ metadata = {} }, { spec }) {
      const now = Math.floor(Date.now() / 1000)
      const seconds = Math.min(Math.max(spec?.expirationSeconds ?? anHour, shortest), longest)
      const namespace = metadata.namespace ?? ''
      const name = metadata.name ?? ''
      const bound = spec?.boundObjectRef
      const claims: KubernetesClaims = {
        namespace,
        serviceaccount: { name, uid: metadata.uid ?? '' },
        ...(bound?.kind === 'Pod' && { pod: { name: bound.name ?? '', uid: bound.uid ?? '' } }),
      }
      const token = await new SignJWT({ 'kubernetes.io': claims })
        .setProtectedHeader({ alg: algorithm })
        .setIssuer(issuer)
        .setSubject(`system:serviceaccount:${namespace}:${name}`)
        .setAudience(spec?.audiences?.length ? [...spec.audiences] : [issuer])
        .setIssuedAt(now)
        .setNotBefore(now)
        .setExpirationTime(now + seconds)
        .setJti(randomUUID())
        .sign(privateKey)
      return { token, expirationTimestamp: timeText((now + seconds) * 1000) }
    },
    authenticate(request) {
      const token = bearerToken(request)
      return token === undefined ? undefined : authenticate(token)
    },
  }
}

function claimsOf(payload: JWTPayload): KubernetesClaims | undefined {
  const claims = payload['kubernetes.io']
  return typeof claims === 'object' && claims !== null && 'serviceaccount' in claims && 'namespace' in claims
    ? (claims as KubernetesClaims)
    : undefined
}
