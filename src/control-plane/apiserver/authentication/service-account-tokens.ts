import { createHash, createPrivateKey, createPublicKey, randomUUID } from 'node:crypto'
import { decodeJwt, type JWTPayload, jwtVerify, SignJWT } from 'jose'

import { nodes, pods, secrets, serviceaccounts } from '../../../api/generated/resources.js'
import type { Pod, ServiceAccount, AuthenticationTokenRequest as TokenRequest } from '../../../api/generated/types.js'
import type { KubeObject } from '../../../api/resource-type.js'
import { unauthorized } from '../../../api/status.js'
import { timeText } from '../../../api/time-text.js'
import { type Authenticator, bearerToken, type User } from '../authentication.js'
import type { PolicyObjects } from '../authorization/policy-objects.js'
import { type BoundObject, boundObjectOf, checkTokenRequest } from './token-request.js'

const algorithm = 'ES256'
const anHour = 3600
/** So long after its object began to go, a token still holds: what shuts down may say so. */
const leewayMs = 60_000

export interface ServiceAccountTokens {
  /**
   * Signs a token for the account; lifetime, audiences and what it is bound to come from the request. Throws 422 for a request that is not
   * valid, and what upstream answers for a bound object that is not there or is another.
   */
  issue(account: ServiceAccount, request: TokenRequest): Promise<{ readonly token: string; readonly expirationTimestamp: string }>
  /** Bearer tokens that were signed here for this server, for accounts (and what they are bound to) that still exist. */
  readonly authenticate: Authenticator
  /** Who a token is for one of `audiences`, and which of them; undefined for a token that does not hold. */
  review(token: string, audiences: readonly string[]): Promise<{ readonly user: User; readonly audiences: readonly string[] } | undefined>
  /** The public half, as a JSON Web Key Set (RFC 7517). */
  readonly keys: object
}

interface Named {
  readonly name: string
  readonly uid: string
}

/** Claims beside the registered ones, as upstream writes them. */
interface KubernetesClaims {
  readonly namespace: string
  readonly serviceaccount: Named
  readonly pod?: Named
  readonly secret?: Named
  readonly node?: Named
}

/** Tokens signed with `key` (PKCS#8 PEM, P-256). Without audiences a token is for the issuer itself. */
export function serviceAccountTokens({
  issuer,
  key,
  objects,
}: {
  readonly issuer: string
  readonly key: string
  readonly objects: Pick<PolicyObjects, 'get'>
}): ServiceAccountTokens {
  const privateKey = createPrivateKey(key)
  const publicKey = createPublicKey(privateKey)
  const keyId = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')

  async function review(token: string, audiences: readonly string[]) {
    const { payload } = await jwtVerify(token, publicKey, { issuer, algorithms: [algorithm] }).catch(() => ({ payload: undefined }))
    const claims = payload && claimsOf(payload)
    if (!claims || !holds(claims)) return undefined
    const meant = [payload.aud ?? []].flat()
    const shared = audiences.filter(audience => meant.includes(audience))
    return shared.length > 0 ? { user: userOf(claims, payload.jti), audiences: shared } : undefined
  }

  /** True while all that the token speaks of is there, the very same. */
  function holds({ namespace, serviceaccount, pod, secret, node }: KubernetesClaims): boolean {
    const isThere = (object: KubeObject | undefined, { uid }: Named): boolean => {
      const { uid: own, deletionTimestamp } = object?.metadata ?? {}
      return own === uid && (deletionTimestamp === undefined || Date.parse(deletionTimestamp) + leewayMs > Date.now())
    }
    return (
      isThere(objects.get(serviceaccounts, { namespace, name: serviceaccount.name }), serviceaccount) &&
      (!pod || isThere(objects.get(pods, { namespace, name: pod.name }), pod)) &&
      (!secret || isThere(objects.get(secrets, { namespace, name: secret.name }), secret)) &&
      // A Pod outlives its Node's object; only what is bound to the Node alone ends with it.
      (!node || pod !== undefined || isThere(objects.get(nodes, { name: node.name }), node))
    )
  }

  return {
    async issue(account, request) {
      checkTokenRequest(request)
      const { metadata = {} } = account
      const namespace = metadata.namespace ?? ''
      const name = metadata.name ?? ''
      const bound = boundObjectOf(objects, account, request.spec?.boundObjectRef)
      const now = Math.floor(Date.now() / 1000)
      const seconds = request.spec?.expirationSeconds ?? anHour
      const claims: KubernetesClaims = { namespace, serviceaccount: { name, uid: metadata.uid ?? '' }, ...boundClaims(objects, bound) }
      const token = await new SignJWT({ 'kubernetes.io': claims })
        .setProtectedHeader({ alg: algorithm, kid: keyId })
        .setIssuer(issuer)
        .setSubject(`system:serviceaccount:${namespace}:${name}`)
        .setAudience(request.spec?.audiences?.length ? [...request.spec.audiences] : [issuer])
        .setIssuedAt(now)
        .setNotBefore(now)
        .setExpirationTime(now + seconds)
        .setJti(randomUUID())
        .sign(privateKey)
      return { token, expirationTimestamp: timeText((now + seconds) * 1000) }
    },
    review,
    async authenticate(request) {
      const token = bearerToken(request)
      if (token === undefined || !isOurs(token, issuer)) return undefined
      const found = await review(token, [issuer])
      if (!found) throw unauthorized()
      return found.user
    },
    keys: { keys: [{ use: 'sig', alg: algorithm, kid: keyId, ...publicKey.export({ format: 'jwk' }) }] },
  }
}

/** True for a token that claims to be of `issuer`; others may belong to another authenticator. */
function isOurs(token: string, issuer: string): boolean {
  try {
    return decodeJwt(token).iss === issuer
  } catch {
    return false
  }
}

function boundClaims(objects: Pick<PolicyObjects, 'get'>, bound: BoundObject | undefined): Partial<KubernetesClaims> {
  if (!bound) return {}
  const { name = '', uid = '' } = bound.object.metadata ?? {}
  if (bound.kind !== 'Pod') return { [bound.kind.toLowerCase()]: { name, uid } }
  const node = (bound.object as Pod).spec?.nodeName
  const nodeUid = node === undefined ? undefined : objects.get(nodes, { name: node })?.metadata?.uid
  return { pod: { name, uid }, ...(node !== undefined && { node: { name: node, uid: nodeUid ?? '' } }) }
}

function userOf({ namespace, serviceaccount, pod, node }: KubernetesClaims, id: string | undefined): User {
  const extra = {
    ...(id !== undefined && { 'credential-id': [`JTI=${id}`] }),
    ...(node && { 'node-name': [node.name], ...(node.uid !== '' && { 'node-uid': [node.uid] }) }),
    ...(pod && { 'pod-name': [pod.name], 'pod-uid': [pod.uid] }),
  }
  return {
    name: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
    uid: serviceaccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [`authentication.kubernetes.io/${key}`, values])),
  }
}

function claimsOf(payload: JWTPayload): KubernetesClaims | undefined {
  const claims = payload['kubernetes.io']
  return typeof claims === 'object' && claims !== null && 'serviceaccount' in claims && 'namespace' in claims
    ? (claims as KubernetesClaims)
    : undefined
}
